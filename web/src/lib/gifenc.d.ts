/** What the page uses of gifenc 1.0.3, which comes without types. */
declare module 'gifenc' {
  export type Palette = number[][]

  export interface FrameOptions {
    /** The first frame's is the picture's; a later frame's is its own. */
    palette?: Palette
    /** Milliseconds. */
    delay?: number
    /** -1 once, 0 for ever, else how often. */
    repeat?: number
  }

  export interface Encoder {
    writeFrame(index: Uint8Array, width: number, height: number, options?: FrameOptions): void
    finish(): void
    bytes(): Uint8Array<ArrayBuffer>
  }

  export function GIFEncoder(options?: { initialCapacity?: number }): Encoder
  export function quantize(rgba: Uint8Array | Uint8ClampedArray, maxColors: number): Palette
  export function applyPalette(rgba: Uint8Array | Uint8ClampedArray, palette: Palette): Uint8Array
}
