/** The messages between the page and the model's worker. */

export type Request =
  | { id: number; kind: 'load'; engine: ArrayBuffer; decoder: ArrayBuffer; d: number; image: { height: number; width: number; channels: number } }
  | { id: number; kind: 'encoder'; encoder: ArrayBuffer }
  | { id: number; kind: 'decode'; z: Float32Array; d: number }
  | { id: number; kind: 'place'; x: Float32Array }

export type Answer =
  | { id: number; kind: 'loaded' }
  /** RGBA of all decoded images, concatenated; ms that they took. */
  | { id: number; kind: 'pictures'; rgba: Uint8ClampedArray<ArrayBuffer>; ms: number }
  | { id: number; kind: 'placed'; z: Float32Array; rgba: Uint8ClampedArray<ArrayBuffer>; error: number }
  | { id: number; kind: 'failed'; why: string }
