/** The messages between the explorer in a cell (host/cell.ts) and the widget around it (widget.ts). */

/** Sent to the window around the frame once the frame can receive messages. */
export const HELLO = 'armoire-explorer'

/** The answer to HELLO, with a port for all further messages. Latents are float32, concatenated. */
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
