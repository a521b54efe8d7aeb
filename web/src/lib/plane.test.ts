import { describe, expect, it } from 'vitest'
import { Phi } from './normal'
import { Plane, type Axis } from './plane'

const h = Math.SQRT1_2
const axes = [Float32Array.of(h, h, 0), Float32Array.of(h, -h, 0)]
const source = { d: 3, mean: Float32Array.of(1, 2, 3), axis: (k: number) => axes[k] }
const pc = (k: number): Axis => ({ kind: 'pc', k })
const dim = (k: number): Axis => ({ kind: 'dim', k })
const close = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a).forEach((value, i) => expect(value).toBeCloseTo(b[i], 5))

describe('a plane', () => {
  it('has the mean in the middle of principal axes, and the origin in that of dimensions', () => {
    close(new Plane(source, pc(0), pc(1), false).point(source.mean), [0, 0])
    close(new Plane(source, dim(2), dim(0), false).point(source.mean), [3, 1])
  })

  it.each([
    ['principal axes', pc(0), pc(1), false],
    ['dimensions', dim(0), dim(2), false],
    ['p', dim(0), dim(1), true],
  ])('of %s leads from a point to a place and back', (_, xAxis, yAxis, p) => {
    const plane = new Plane(source, xAxis, yAxis, p)
    const point: [number, number] = p ? [0.3, 0.9] : [0.7, -1.2]
    const anchor = Float32Array.of(0.5, -0.25, 2)
    close(plane.point(plane.place(...point, anchor)), point)
    close(plane.place(...plane.point(anchor), anchor), anchor)
  })

  it('keeps of the anchor what it does not show', () => {
    const anchor = Float32Array.of(0.5, -0.25, 2)
    expect(new Plane(source, pc(0), pc(1), false).place(5, 5, anchor)[2]).toBe(2)
    const moved = new Plane(source, dim(0), dim(2), false).place(5, 5, anchor)
    close(moved, [5, -0.25, 5])
  })

  it('shows p as the share of N(0, 1) below z, and stays finite at the border', () => {
    const plane = new Plane(source, dim(0), dim(1), true)
    close(plane.point(Float32Array.of(1, -2, 0)), [Phi(1), Phi(-2)])
    expect(plane.place(0, 1, source.mean).every(Number.isFinite)).toBe(true)
    expect(plane.place(-3, 7, source.mean).every(Number.isFinite)).toBe(true)
  })

  it('places rows as it places each', () => {
    const latents = Float32Array.from({ length: 12 }, (_, i) => Math.sin(i))
    const plane = new Plane(source, pc(0), pc(1), false)
    const [xs, ys] = [new Float32Array(4), new Float32Array(4)]
    plane.points(latents, 1, 4, xs, ys)
    expect(xs[0]).toBe(0)
    for (let row = 1; row < 4; row++) close([xs[row], ys[row]], plane.point(latents.subarray(3 * row, 3 * row + 3)))
  })

  it('of a single dimension is a line', () => {
    const line = new Plane({ d: 1, mean: Float32Array.of(0), axis: () => axes[0] }, dim(0), dim(1), false)
    close(line.point(Float32Array.of(2)), [2, 0])
    close(line.place(3, 9, Float32Array.of(2)), [3])
  })
})
