import { describe, expect, it } from 'vitest'
import { around, bulk, GUTTER, panned, toPlane, toScreen, zoomed, type View } from './view'

const size = { width: 800, height: 600 }
const view: View = { x: 1, y: -2, scale: 50 }

describe('a view', () => {
  it('leads from the plane to the screen and back', () => {
    expect(toScreen(view, size, 1, -2)).toEqual([400, 300])
    expect(toScreen(view, size, 2, -1)).toEqual([450, 250])
    expect(toPlane(view, size, ...toScreen(view, size, 0.3, 0.7))).toEqual([expect.closeTo(0.3), expect.closeTo(0.7)])
  })

  it('zooms about a point of the screen, which stays', () => {
    const before = toPlane(view, size, 100, 500)
    const after = toPlane(zoomed(view, size, 100, 500, 3, [1, 1000]), size, 100, 500)
    expect(after).toEqual([expect.closeTo(before[0]), expect.closeTo(before[1])])
  })

  it('zooms no farther than its limits', () => {
    expect(zoomed(view, size, 0, 0, 1e9, [1, 1000]).scale).toBe(1000)
    expect(zoomed(view, size, 0, 0, 1e-9, [1, 1000]).scale).toBe(1)
  })

  it('pans by what the hand moves', () => {
    expect(toScreen(panned(view, 30, -20), size, 1, -2)).toEqual([430, 280])
  })

  it('shows a whole box clear of the axes', () => {
    const shown = around([-3, -1], [5, 4], size)
    for (const corner of [
      [-3, -1],
      [5, 4],
    ]) {
      const [x, y] = toScreen(shown, size, corner[0], corner[1])
      expect(x).toBeGreaterThan(GUTTER.left)
      expect(x).toBeLessThan(size.width)
      expect(y).toBeGreaterThan(0)
      expect(y).toBeLessThan(size.height - GUTTER.bottom)
    }
  })

  it('of one point alone is still a view', () => {
    expect(Number.isFinite(around([2, 2], [2, 2], size).scale)).toBe(true)
  })
})

describe('the bulk', () => {
  it('leaves out strays', () => {
    const xs = Float32Array.from({ length: 10001 }, (_, i) => i / 10000)
    xs[17] = 1e6
    const [low, high] = bulk(xs, xs, xs.length)
    expect(high[0]).toBeLessThan(1.01)
    expect(low[0]).toBeGreaterThanOrEqual(0)
  })

  it('of few points is all of them', () => {
    const [low, high] = bulk(Float32Array.of(3, 1, 2), Float32Array.of(5, 4, 6), 3)
    expect([low, high]).toEqual([
      [1, 4],
      [3, 6],
    ])
  })
})
