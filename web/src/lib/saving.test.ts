import { describe, expect, it } from 'vitest'
import { noise } from './from_python'
import { enlarge, gif, strip } from './saving'

type Shown = { width: number; height: number; delayMs: number; rgb: number[] }

/** RGBA frames of noise, grey or in colour. */
function frame(width: number, height: number, seed: number, grey: boolean): Uint8ClampedArray {
  const bits = noise(width * height * 4, seed)
  return new Uint8ClampedArray(bits.length).map((_, i) => (i % 4 === 3 ? 255 : bits[grey ? i - (i % 4) : i] >>> 24))
}

function rgb(rgba: Uint8ClampedArray): number[] {
  return [...rgba].filter((_, i) => i % 4 !== 3)
}

/** What a GIF89a file shows; enough of a reader for the files that gifenc writes. */
function read(bytes: Uint8Array): { loops: number | null; frames: Shown[] } {
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  const table = bytes[10] & 0x80 ? bytes.subarray(13, 13 + 3 * (2 << (bytes[10] & 7))) : new Uint8Array()
  let at = 13 + table.length
  let loops: number | null = null
  let delayMs = 0
  const frames: Shown[] = []
  const blocks = () => {
    const data: number[] = []
    for (; bytes[at]; at += bytes[at] + 1) data.push(...bytes.subarray(at + 1, at + 1 + bytes[at]))
    at++
    return data
  }
  while (bytes[at] !== 0x3b) {
    if (bytes[at] === 0x21) {
      const kind = bytes[at + 1]
      at += 2
      const data = blocks()
      if (kind === 0xf9) delayMs = 10 * (data[1] | (data[2] << 8))
      const looping = kind === 0xff && String.fromCharCode(...data.slice(0, 11)) === 'NETSCAPE2.0'
      if (looping) loops = data[12] | (data[13] << 8)
    } else {
      const [width, height] = [view.getUint16(at + 5, true), view.getUint16(at + 7, true)]
      expect(bytes[at + 9]).toBe(0) // no table of its own: one palette for all
      const depth = bytes[at + 10]
      at += 11
      const rgb = unpack(blocks(), depth).flatMap((index) => [...table.subarray(3 * index, 3 * index + 3)])
      frames.push({ width, height, delayMs, rgb })
    }
  }
  return { loops, frames }
}

/** LZW as GIF has it. */
function unpack(data: number[], depth: number): number[] {
  const clear = 1 << depth
  const out: number[] = []
  let codes: number[][] = []
  let size = depth + 1
  let last: number[] | null = null
  let bits = 0
  let held = 0
  for (const byte of data) {
    bits |= byte << held
    held += 8
    while (held >= size) {
      const code = bits & ((1 << size) - 1)
      bits >>>= size
      held -= size
      if (code === clear + 1) return out
      if (code === clear) {
        codes = Array.from({ length: clear + 2 }, (_, i) => [i])
        size = depth + 1
        last = null
        continue
      }
      const entry: number[] = codes[code] ?? [...last!, last![0]]
      if (last && codes.length < 4096) codes.push([...last, entry[0]])
      if (codes.length === 1 << size && size < 12) size++
      out.push(...entry)
      last = entry
    }
  }
  throw new Error('the picture does not end')
}

describe('gif', () => {
  it('keeps every value of grey frames, and loops for ever', () => {
    const frames = [1, 2, 3].map((seed) => frame(40, 56, seed, true))
    const { loops, frames: shown } = read(gif(frames, 40, 56, 125))
    expect(loops).toBe(0)
    expect(shown.map(({ width, height, delayMs }) => [width, height, delayMs])).toEqual(Array(3).fill([40, 56, 130]))
    shown.forEach((one, i) => expect(one.rgb).toEqual(rgb(frames[i])))
  })

  it('has one palette for all coloured frames', () => {
    // Two frames of eight colours each, none of them in both.
    const colours = noise(16 * 3, 5)
    const frames = [0, 1].map((half) =>
      new Uint8ClampedArray(24 * 24 * 4).map((_, i) => {
        const colour = half * 8 + ((i >> 2) % 8)
        return i % 4 === 3 ? 255 : colours[colour * 3 + (i % 4)] >>> 24
      }),
    )
    const shown = read(gif(frames, 24, 24, 80)).frames
    shown.forEach((one, i) => expect(one.rgb).toEqual(rgb(frames[i])))
  })

  it('is near the colours of noise', () => {
    const one = frame(64, 64, 9, false)
    const shown = read(gif([one], 64, 64, 80)).frames[0].rgb
    const errors = rgb(one).map((value, i) => Math.abs(value - shown[i]))
    expect(errors.reduce((a, b) => a + b) / errors.length).toBeLessThan(20)
  })

  it('reads frames that are part of a larger buffer', () => {
    const both = new Uint8ClampedArray(2 * 16 * 16 * 4)
    both.set(frame(16, 16, 1, false), 16 * 16 * 4)
    const part = both.subarray(16 * 16 * 4)
    expect(gif([part], 16, 16, 80)).toEqual(gif([part.slice()], 16, 16, 80))
  })

  it('is not faster than browsers are', () => {
    expect(read(gif([frame(4, 4, 1, true)], 4, 4, 1)).frames[0].delayMs).toBe(20)
  })

  it('says what is wrong with its frames', () => {
    expect(() => gif([], 4, 4, 100)).toThrow('no frames')
    expect(() => gif([new Uint8ClampedArray(8)], 4, 4, 100)).toThrow('a frame has 8 bytes, not 4 x 4 pixels of 4')
  })
})

describe('enlarge', () => {
  it('makes a square of every pixel', () => {
    const two = new Uint8ClampedArray([1, 2, 3, 4, 5, 6, 7, 8])
    const { width, height, data } = enlarge(two, 2, 1, 2)
    expect([width, height]).toEqual([4, 2])
    const row = [1, 2, 3, 4, 1, 2, 3, 4, 5, 6, 7, 8, 5, 6, 7, 8]
    expect([...data]).toEqual([...row, ...row])
  })

  it('by one is a copy', () => {
    const one = frame(5, 3, 1, false)
    const { data } = enlarge(one, 5, 3, 1)
    expect(data).toEqual(one)
    expect(data.buffer).not.toBe(one.buffer)
  })
})

describe('strip', () => {
  it('lays frames side by side', () => {
    const [a, b] = [1, 2].map((value) => new Uint8ClampedArray(1 * 2 * 4).fill(value))
    const { width, height, data } = strip([a, b], 1, 2, 1, [7, 8, 9])
    expect([width, height]).toEqual([3, 2])
    const row = [1, 1, 1, 1, 7, 8, 9, 255, 2, 2, 2, 2]
    expect([...data]).toEqual([...row, ...row])
  })
})
