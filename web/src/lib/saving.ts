/** Images to download: GIFs, enlargements, strips; RGBA, row by row, as in ImageData. */

import { applyPalette, GIFEncoder, quantize, type Palette } from 'gifenc'
import type { Picture } from './fit'

type Pixels = Uint8ClampedArray<ArrayBuffer>

/** Pixels as ImageData takes them. */
type Made = Picture & { data: Pixels }

/** Browsers show a frame of less than 20 ms for 100 ms. */
const SHORTEST_MS = 20

/** Most pixels that a palette is computed from. */
const PALETTE_PIXELS = 1 << 20

/**
 * A GIF that loops. Grey frames keep every value; coloured ones share one palette of at most 256 colours.
 *
 * @param frames of equal size; alpha is ignored.
 * @param delayMs between frames, in milliseconds; a GIF counts in hundredths of a second, and 20 ms is the shortest.
 */
export function gif(
  frames: Uint8ClampedArray[],
  width: number,
  height: number,
  delayMs: number,
): Uint8Array<ArrayBuffer> {
  check(frames, width, height)
  const grey = frames.every(isGrey)
  const palette = grey ? greys() : quantize(sampled(frames), 256)
  const encoder = GIFEncoder()
  frames.forEach((frame, i) => {
    const index = grey ? reds(frame) : applyPalette(whole(frame), palette)
    const delay = Math.max(SHORTEST_MS, delayMs)
    encoder.writeFrame(index, width, height, i ? { delay } : { delay, palette, repeat: 0 })
  })
  encoder.finish()
  return encoder.bytes()
}

/** Every pixel as a square of factor x factor pixels. */
export function enlarge(rgba: Uint8ClampedArray, width: number, height: number, factor: number): Made {
  check([rgba], width, height)
  const wide = width * factor
  const from = words(whole(rgba))
  const to = new Uint32Array(wide * height * factor)
  for (let y = 0; y < height; y++) {
    const top = y * factor * wide
    for (let x = 0; x < width; x++) to.fill(from[y * width + x], top + x * factor, top + (x + 1) * factor)
    for (let i = 1; i < factor; i++) to.copyWithin(top + i * wide, top, top + wide)
  }
  return { width: wide, height: height * factor, data: new Uint8ClampedArray(to.buffer) }
}

/** Frames in a row, `gap` pixels of background [r, g, b] between them. */
export function strip(
  frames: Uint8ClampedArray[],
  width: number,
  height: number,
  gap: number,
  background: readonly [number, number, number],
): Made {
  check(frames, width, height)
  const wide = frames.length * (width + gap) - gap
  const data = new Uint8ClampedArray(wide * height * 4).map((_, i) => (i % 4 === 3 ? 255 : background[i % 4]))
  frames.forEach((frame, i) => {
    for (let y = 0; y < height; y++) {
      const row = frame.subarray(y * width * 4, (y + 1) * width * 4)
      data.set(row, (y * wide + i * (width + gap)) * 4)
    }
  })
  return { width: wide, height, data }
}

function check(frames: Uint8ClampedArray[], width: number, height: number): void {
  if (!frames.length) throw new RangeError('there are no frames to save')
  const odd = frames.find((frame) => frame.length !== width * height * 4)
  if (odd) throw new RangeError(`a frame has ${odd.length} bytes, not ${width} x ${height} pixels of 4`)
}

function isGrey(frame: Uint8ClampedArray): boolean {
  for (let i = 0; i < frame.length; i += 4)
    if (frame[i] !== frame[i + 1] || frame[i] !== frame[i + 2]) return false
  return true
}

function greys(): Palette {
  return Array.from({ length: 256 }, (_, value) => [value, value, value])
}

function reds(frame: Uint8ClampedArray): Uint8Array {
  return new Uint8Array(frame.length / 4).map((_, i) => frame[i * 4])
}

/** Pixels from all frames, evenly spaced, few enough to choose a palette by. */
function sampled(frames: Uint8ClampedArray[]): Pixels {
  const area = frames[0].length / 4
  // Odd, so that it does not hit the same columns of every row where a side is a power of two.
  const stride = Math.ceil((frames.length * area) / PALETTE_PIXELS) | 1
  const each = Math.ceil(area / stride)
  const pixels = new Uint32Array(frames.length * each)
  frames.forEach((frame, i) => {
    const from = words(whole(frame))
    for (let j = 0; j < each; j++) pixels[i * each + j] = from[j * stride]
  })
  return new Uint8ClampedArray(pixels.buffer)
}

/** Pixels that fill their buffer: gifenc reads a buffer from its start to its end. */
function whole(frame: Uint8ClampedArray): Pixels {
  const fills = frame.buffer instanceof ArrayBuffer && frame.length === frame.buffer.byteLength
  return fills ? (frame as Pixels) : new Uint8ClampedArray(frame)
}

function words(frame: Pixels): Uint32Array<ArrayBuffer> {
  return new Uint32Array(frame.buffer)
}
