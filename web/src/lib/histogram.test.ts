import { expect, it } from 'vitest'
import { histogram } from './histogram'
import { density, Random } from './normal'

it('is a share of all values over the width of a bin', () => {
  // Four values in, one out: 4 / 5 of the area lies in 0..2.
  expect([...histogram([0, 0.5, 1, 2, 7], 0, 2, 2)]).toEqual([0.4, 0.4])
})

it('includes both ends, and leaves NaN out', () => {
  expect([...histogram([0, 1, NaN], 0, 1, 4)]).toEqual([2, 0, 0, 2])
  expect([...histogram([-0.01, 1.01, Infinity], 0, 1, 2)]).toEqual([0, 0])
})

it('is nothing of nothing', () => {
  expect([...histogram([], 0, 1, 3)]).toEqual([0, 0, 0])
})

it('lies under the curve of N(0, 1)', () => {
  const random = new Random(3)
  const densities = histogram(Float32Array.from({ length: 200_000 }, () => random.normal()), -4, 4, 32)
  densities.forEach((height, i) => expect(Math.abs(height - density(-4 + (i + 0.5) / 4))).toBeLessThan(0.01))
})
