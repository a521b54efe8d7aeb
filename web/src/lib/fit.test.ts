import { describe, expect, it } from 'vitest'
import { fitPicture, luma, toUnit, type Fit } from './fit'
import { bytesOf, fromPython, pictureOf, type FromPython } from './from_python'

const GREY: Fit = { size: 28, how: 'crop', background: [255, 255, 255], channels: 1, canvas: 32 }

function nameOf({ width, height, mode, fit }: FromPython['fit'][number]): string {
  return `${mode} ${width} x ${height}, ${fit.how}, to ${fit.size} of ${fit.channels}`
}

describe('fitPicture', () => {
  it.each(fromPython.fit.map((made) => [nameOf(made), made] as const))('is Pillow to the byte: %s', (_, made) => {
    expect(fitPicture(pictureOf(made), made.fit)).toEqual(bytesOf(made.bytes))
  })

  it('fits a photograph of 12 million pixels in a moment', () => {
    const data = new Uint8ClampedArray(4000 * 3000 * 4).fill(255)
    const start = performance.now()
    const pixels = fitPicture({ width: 4000, height: 3000, data }, { ...GREY, size: 64, canvas: 64, channels: 3 })
    expect(performance.now() - start).toBeLessThan(3000)
    expect(new Set(pixels)).toEqual(new Set([255]))
  })

  it('shows the background through what is transparent', () => {
    const data = new Uint8ClampedArray(4 * 4 * 4)
    const pixels = fitPicture({ width: 4, height: 4, data }, { ...GREY, background: [1, 2, 3], channels: 3 })
    expect([...pixels.subarray(0, 6)]).toEqual([1, 2, 3, 1, 2, 3])
    expect(pixels.length).toBe(32 * 32 * 3)
  })

  it('is all background where there is no picture', () => {
    const empty = { width: 0, height: 0, data: new Uint8ClampedArray(0) }
    expect(new Set(fitPicture(empty, GREY))).toEqual(new Set([255]))
  })
})

it('a grey colour is its own luma', () => {
  for (let value = 0; value < 256; value++) expect(luma(value, value, value)).toBe(value)
})

it('toUnit makes planes in 0..1', () => {
  expect(toUnit(new Uint8Array([0, 51, 255, 102, 153, 204]), 3)).toEqual(
    new Float32Array([0, 0.4, 0.2, 0.6, 1, 0.8]),
  )
})
