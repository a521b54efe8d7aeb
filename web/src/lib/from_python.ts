/** For tests alone: what tests/publish/test_page_formulas.py computed with Python, and the numbers it fed in. */

import text from './from_python.json?raw'
import type { Fit, Picture } from './fit'
import type { PathKind } from './interpolation'

export type FromPython = {
  fit: { width: number; height: number; mode: string; seed: number; fit: Fit; bytes: string }[]
  paths: { a: number[]; b: number[]; steps: number; kind: PathKind; path: number[] }[]
  normal: { x: number; density: number; Phi: number }[]
  inverse: { p: number; x: number }[]
  nearest: { n: number; d: number; seed: number; z: number[]; k: number; rows: number[]; distances: number[] }[]
}

export const fromPython: FromPython = JSON.parse(text)

/** 32 bits that look random at each of 0..n-1: a counter under C. Wellons's lowbias32. */
export function noise(n: number, seed: number): Uint32Array {
  return new Uint32Array(n).map((_, i) => {
    let x = i + Math.imul(seed, 0x9e3779b9)
    x = Math.imul(x ^ (x >>> 16), 0x21f0aaad)
    x = Math.imul(x ^ (x >>> 15), 0x735a2d97)
    return x ^ (x >>> 15)
  })
}

/** The picture of a case as a browser decodes it. A third of the pixels with alpha are clear, a third opaque. */
export function pictureOf({ width, height, mode, seed }: Omit<FromPython['fit'][number], 'fit' | 'bytes'>): Picture {
  const bands = mode.length
  const bits = noise(width * height * bands, seed)
  const data = new Uint8ClampedArray(width * height * 4).fill(255)
  for (let pixel = 0; pixel < width * height; pixel++) {
    const from = pixel * bands
    for (let c = 0; c < 3; c++) data[pixel * 4 + c] = bits[from + (bands > 2 ? c : 0)] >>> 24
    if (bands % 2) continue
    const alpha = bits[from + bands - 1]
    data[pixel * 4 + 3] = [0, 255, alpha >>> 24][alpha % 3]
  }
  return { width, height, data }
}

/** Latents (n, d) in -4..4. */
export function latentsOf(n: number, d: number, seed: number): Float32Array {
  return Float32Array.from(noise(n * d, seed), (bits) => (bits >>> 8) / 2 ** 21 - 4)
}

export function bytesOf(base64: string): Uint8Array {
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0))
}
