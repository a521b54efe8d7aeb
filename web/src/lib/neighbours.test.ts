import { describe, expect, it } from 'vitest'
import { fromPython, latentsOf } from './from_python'
import { nearest } from './neighbours'
import { Random } from './normal'

function normals(n: number, seed: number): Float32Array {
  const random = new Random(seed)
  return new Float32Array(n).map(() => random.normal())
}

/** Milliseconds of the quickest of many searches: the machine has other work too. */
function quickest(n: number, d: number): number {
  const latents = normals(n * d, 1)
  const places = normals(40 * d, 2)
  const times = Array.from({ length: 40 }, (_, i) => {
    const start = performance.now()
    nearest(latents, n, d, places.subarray(i * d, (i + 1) * d), 6)
    return performance.now() - start
  })
  return Math.min(...times)
}

describe('nearest', () => {
  it.each(fromPython.nearest)('is Python: $k of $n in $d dimensions', ({ n, d, seed, z, k, rows, distances }) => {
    const found = nearest(latentsOf(n, d, seed), n, d, new Float32Array(z), k)
    expect([...found.rows]).toEqual(rows)
    found.distances.forEach((distance, i) => expect(Math.abs(distance / distances[i] - 1)).toBeLessThan(1e-6))
  })

  it('is what sorting all distances finds', () => {
    for (const d of [1, 2, 7, 8, 21]) {
      const latents = normals(300 * d, d)
      const z = normals(d, 99)
      const square = (row: number) => z.reduce((sum, value, i) => sum + (latents[row * d + i] - value) ** 2, 0)
      const sorted = Array.from({ length: 300 }, (_, row) => row).sort((a, b) => square(a) - square(b))
      expect([...nearest(latents, 300, d, z, 10).rows]).toEqual(sorted.slice(0, 10))
    }
  })

  it('takes only the rows that are kept', () => {
    const latents = new Float32Array([0, 1, 2, 3, 4, 5])
    const found = nearest(latents, 6, 1, new Float32Array([0]), 2, (row) => row % 2 === 1)
    expect([...found.rows]).toEqual([1, 3])
    expect([...found.distances]).toEqual([1, 3])
  })

  it('returns fewer where there are fewer, and puts the lower row first', () => {
    const found = nearest(new Float32Array([1, NaN, 1]), 3, 1, new Float32Array([1]), 6)
    expect([...found.rows]).toEqual([0, 2])
    expect(nearest(new Float32Array([1]), 1, 1, new Float32Array([1]), 0).rows.length).toBe(0)
  })

  // The limits are what a frame allows; three times that here, since a busy machine is no fault of the search.
  it.each([
    [24_000, 200, 8],
    [70_000, 2, 2],
  ])('searches %i rows of %i dimensions within %i ms', (n, d, limit) => {
    expect(quickest(n, d)).toBeLessThan(3 * limit)
  })
})
