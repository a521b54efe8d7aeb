import { describe, expect, it } from 'vitest'
import { around, bulk, extentOf, GUTTER, isUseful, panned, toPlane, toScreen, viewOf, zoomed, type View } from './view'

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
    const shown = viewOf(around([-3, -1], [5, 4]), size)
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

  it.each([
    [0, 0],
    [2, -3],
    [1e6, 1e6 + 1e-3],
  ])('of one point alone, %d and %d, shows units of the plane', (x, y) => {
    expect(around([x, y], [x, y])).toEqual({ x, y, width: 2, height: 2 })
  })

  it('of a tiny cloud shows the cloud', () => {
    const { width } = around([-1e-7, 0], [1e-7, 0])
    expect(width).toBeGreaterThan(2e-7)
    expect(width).toBeLessThan(3e-7)
  })
})

describe('an extent', () => {
  it.each([
    [800, 600],
    [300, 900],
    [1, 1],
  ])('is what its view shows clear of the axes, in a window of %d by %d', (width, height) => {
    const extent = extentOf(view, { width, height })
    const again = viewOf(extent, { width, height })
    expect([again.x, again.y, again.scale]).toEqual([expect.closeTo(1), expect.closeTo(-2), expect.closeTo(50)])
  })

  it('is wholly shown in a window of other proportions', () => {
    const window = { width: 400, height: 700 }
    const shown = extentOf(viewOf({ x: 3, y: 4, width: 2, height: 1 }, window), window)
    expect(shown).toMatchObject({ x: expect.closeTo(3), y: expect.closeTo(4), width: expect.closeTo(2) })
    expect(shown.height).toBeGreaterThan(1)
  })

  const whole = { x: 1, y: 2, width: 8, height: 6 }
  it.each([
    [{ x: 1, y: 2, width: 8, height: 6 }, true],
    [{ x: -3.5, y: 4, width: 8 / 4000, height: 6 / 4000 }, true],
    [{ x: 1, y: 2, width: 64, height: 48 }, true],
    [{ x: 1, y: 2, width: 1e-6, height: 1e-6 }, false],
    [{ x: 1, y: 2, width: 1e6, height: 1e6 }, false],
    [{ x: 50, y: 2, width: 8, height: 6 }, false],
    [{ x: 1, y: -1e17, width: 8, height: 6 }, false],
    [{ x: 1, y: 2, width: 8, height: 0 }, false],
    [{ x: Number.NaN, y: 2, width: 8, height: 6 }, false],
    [{ x: 1, y: 2, width: Infinity, height: 6 }, false],
  ])('of %o can show something of the map: %s', (extent, expected) => {
    expect(isUseful(extent, whole)).toBe(expected)
  })

  it('can show something of a map that is a line', () => {
    expect(isUseful({ x: 1, y: 0, width: 4, height: 3 }, { x: 0, y: 0, width: 8, height: 0 })).toBe(true)
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
