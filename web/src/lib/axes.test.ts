import { describe, expect, it } from 'vitest'
import { axesOf } from './axes'
import { MINUS } from './ticks'
import { GUTTER, viewOf, type Extent } from './view'

const widthOf = (text: string) => 6.5 * text.length
const names: [string, string] = ['principal axis 1 (12 %)', 'principal axis 2 (5.0 %)']
const sizes = [
  { width: 1060, height: 700 },
  { width: 724, height: 500 },
  { width: 400, height: 300 },
]
const extents: Extent[] = [
  { x: 0, y: 0, width: 8, height: 6 },
  { x: -3.1, y: -2.7, width: 0.002, height: 0.002 },
  { x: -0.0000005, y: -0.0000005, width: 0.000001, height: 0.000001 },
  { x: -12345.6, y: -12345.6, width: 0.5, height: 0.5 },
  { x: 0.5, y: 0.5, width: 3, height: 3 },
]
const cases = sizes.flatMap((size) => extents.flatMap((extent) => [true, false].map((unit) => ({ size, extent, unit }))))

describe('the axes', () => {
  it.each(cases)('are written whole, apart from one another: $extent in $size', ({ size, extent, unit }) => {
    const { left, xAxis, yAxis, names: named } = axesOf(viewOf(extent, size), size, names, unit, widthOf)
    expect(left).toBeGreaterThanOrEqual(GUTTER.left)
    for (const { text, at } of yAxis) {
      if (!text) continue
      expect(left - 7 - widthOf(text)).toBeGreaterThan(0)
      expect(at).toBeGreaterThan(28)
      expect(at).toBeLessThan(size.height - GUTTER.bottom)
    }
    let end = 0
    for (const { text, at } of xAxis.filter(({ text }) => text)) {
      expect(at - widthOf(text) / 2).toBeGreaterThan(end)
      end = at + widthOf(text) / 2
    }
    expect(end).toBeLessThan(size.width - 8 - named[0])
  })

  it('have values with a sign where the map is far in', () => {
    const { yAxis } = axesOf(viewOf(extents[1], sizes[0]), sizes[0], names, false, widthOf)
    const written = yAxis.map(({ text }) => text).filter(Boolean)
    expect(written.length).toBeGreaterThan(2)
    for (const text of written) expect(text).toMatch(new RegExp(`^${MINUS}2\\.[67]\\d{2,}$`))
  })

  it('of probabilities end where these do', () => {
    const { xAxis, yAxis } = axesOf(viewOf(extents[4], sizes[0]), sizes[0], names, true, widthOf)
    for (const ticks of [xAxis, yAxis]) {
      const values = ticks.filter(({ text }) => text).map(({ text }) => Number(text))
      expect(Math.min(...values)).toBe(0)
      expect(Math.max(...values)).toBe(1)
    }
  })
})
