/** Where the explorer is at home: what differs between a page of its own (page.ts) and a cell of a notebook (cell.ts). */

import type { Word } from '../words'

export interface Host {
  /** A file of the site's data by its path, as `fetch` answers. */
  data(path: string): Promise<Response>
  /** The engine that runs the models. */
  engine(): Promise<Response>
  modelWorker(): Worker
  searchWorker(): Worker
  /** What a reader may do where a file is missing or damaged. */
  readonly again: Word
  /** What was kept of the page's state (lib/address.ts). */
  address(): string
  keepAddress(text: string): void
  /** Called when somebody else has changed it. */
  onAddress(use: (text: string) => void): void
  /** A link to this state that can be passed on; null where there is none. */
  link(text: string): string | null
  /** Whether all around is dark, now and whenever that changes. */
  watchDark(use: (dark: boolean) => void): void
  /** What was chosen last, of a kind such as `theme`; null where nothing was. */
  chosen(name: string): string | null
  choose(name: string, value: string): void
  save(blob: Blob, name: string): void
  /** The largest number of pins. */
  readonly room: number
  /** Whether the pins is kept apart from the address. */
  readonly storesPins: boolean
  /** What hung there, of d numbers each, where it is kept. */
  pins(d: number): Float32Array[] | undefined
  /** Called whenever the pins may have changed. */
  storePins(places: readonly Float32Array[]): void
  /** Called when somebody else has hung other places there, of d numbers each. */
  onPins(d: number, use: (places: Float32Array[]) => void): void
}

/** Set once, before anything else happens. */
export let host: Host

export function beAtHome(where: Host): void {
  host = where
}
