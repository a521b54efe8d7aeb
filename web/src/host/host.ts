/** Where the explorer is at home: what differs between a page of its own (page.ts) and a cell of a notebook (cell.ts). */

export interface Host {
  /** A file of the site's data by its path, as `fetch` answers. */
  data(path: string): Promise<Response>
  /** The engine that runs the models. */
  engine(): Promise<Response>
  modelWorker(): Worker
  searchWorker(): Worker
  /** What was kept of the page's state (lib/address.ts). */
  address(): string
  keepAddress(text: string): void
  /** Called when somebody else has changed it. */
  onAddress(use: (text: string) => void): void
  /** A link to this state that can be passed on; null where there is none. */
  link(text: string): string | null
  /** Whether all around is dark, now and whenever that changes. */
  watchDark(use: (dark: boolean) => void): void
  save(blob: Blob, name: string): void
  /** The places on the shelf, told to whoever wants to know; and called with the d numbers of each where somebody else
   * has put places there. */
  pinned(places: readonly Float32Array[]): void
  onPinned(d: number, use: (places: Float32Array[]) => void): void
}

/** Set once, before anything else happens. */
export let host: Host

export function beAtHome(where: Host): void {
  host = where
}
