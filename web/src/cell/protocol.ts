/** What the explorer in a cell (host/cell.ts) and the widget around it (widget.ts) say to each other. */

/** Said to the window around the frame, as soon as there is somebody in it to be talked to. */
export const HELLO = 'armoire-explorer'

/** The answer to HELLO; a port comes with it, for all that follows. Places are float32, one after the other. */
export interface Welcome {
  address: string
  choices: Record<string, string>
  pinned: ArrayBuffer
  dark: boolean
}

export type FromCell =
  | { kind: 'get'; id: number; path: string }
  | { kind: 'address'; text: string }
  | { kind: 'choice'; name: string; value: string }
  | { kind: 'pinned'; places: ArrayBuffer }
  | { kind: 'save'; blob: Blob; name: string }

export type ToCell =
  /** A part of a file of `total` bytes, in order; the last has `last`. */
  | { kind: 'part'; id: number; bytes: ArrayBuffer; total: number; last: boolean }
  | { kind: 'missing'; id: number; why: string }
  | { kind: 'pinned'; places: ArrayBuffer }
  | { kind: 'dark'; dark: boolean }

export function equal(a: ArrayBuffer, b: ArrayBuffer): boolean {
  const [one, other] = [new Uint8Array(a), new Uint8Array(b)]
  return one.length === other.length && one.every((byte, i) => byte === other[i])
}
