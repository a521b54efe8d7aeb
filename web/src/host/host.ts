/** The host of the explorer: what differs between a web page (page.ts) and a cell of a notebook (cell.ts). */

import type { Word } from '../words'

export interface Host {
  /** A file of the site's data by its path, as `fetch` returns it. */
  data(path: string): Promise<Response>
  /** The engine that runs the models. */
  engine(): Promise<Response>
  modelWorker(): Worker
  searchWorker(): Worker
  /** What a user can do about a missing or damaged file. */
  readonly again: Word
  /** The stored state of the page (lib/address.ts). */
  address(): string
  keepAddress(text: string): void
  /** Called when it was changed elsewhere. */
  onAddress(use: (text: string) => void): void
  /** A link to this state; null where there is none. */
  link(text: string): string | null
  /** Whether the surroundings are dark, now and whenever that changes. */
  watchDark(use: (dark: boolean) => void): void
  /** The stored choice of a kind such as `theme`, or null. */
  chosen(name: string): string | null
  choose(name: string, value: string): void
  save(blob: Blob, name: string): void
  /** The largest number of pins. */
  readonly room: number
  /** Whether the pins are stored apart from the address. */
  readonly storesPins: boolean
  /** The stored latents, of d numbers each. */
  pins(d: number): Float32Array[] | undefined
  /** Called whenever the pins may have changed. */
  storePins(places: readonly Float32Array[]): void
  /** Called when other latents, of d numbers each, were pinned elsewhere. */
  onPins(d: number, use: (places: Float32Array[]) => void): void
}

/** Set once, before anything else happens. */
export let host: Host

export function beAtHome(where: Host): void {
  host = where
}
