import { describe, expect, it } from 'vitest'
import { fromPython } from './from_python'
import { linear, path, spherical } from './interpolation'

const A = new Float32Array([0.1, -0.7, 2.3])
const B = new Float32Array([1.9, 0.3, -0.6])

describe('path', () => {
  it.each(fromPython.paths)('is Python to the last digit of a float32: $kind, $steps steps', (made) => {
    const places = path(new Float32Array(made.a), new Float32Array(made.b), made.steps, made.kind)
    expect(places.length).toBe(made.path.length)
    places.forEach((value, i) => {
      const expected = made.path[i]
      expect(Math.abs(value - expected)).toBeLessThanOrEqual(2 ** -23 * Math.abs(expected))
    })
  })

  it('has its ends exactly', () => {
    for (const kind of ['linear', 'spherical'] as const) {
      const places = path(A, B, 4, kind)
      expect(places.slice(0, 3)).toEqual(A)
      expect(places.slice(9)).toEqual(B)
    }
  })

  it('is of two places at least', () => {
    expect(() => path(A, B, 1, 'linear')).toThrow('at least 2 steps')
  })
})

it('one step has its ends exactly too', () => {
  for (const between of [linear, spherical]) {
    expect(between(A, B, 0)).toEqual(A)
    expect(between(A, B, 1)).toEqual(B)
  }
})

it('a spherical path keeps the length of its ends', () => {
  const middle = spherical(new Float32Array([3, 0]), new Float32Array([0, 3]), 0.5)
  expect(Math.hypot(...middle)).toBeCloseTo(3, 6)
})
