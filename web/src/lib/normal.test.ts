import { describe, expect, it } from 'vitest'
import { fromPython } from './from_python'
import { density, Phi, PhiInverse, Random, xoshiro128 } from './normal'

/** How far a lies from b, as a part of b. */
const error = (a: number, b: number) => Math.abs(a - b) / Math.abs(b)

describe('Phi', () => {
  it('is scipy to 12 digits, into both tails', () => {
    for (const { x, Phi: expected } of fromPython.normal)
      expect(error(Phi(x), expected), `x = ${x}`).toBeLessThan(1e-12)
  })

  it('has its ends', () => {
    expect([-Infinity, -50, 0, 50, Infinity].map(Phi)).toEqual([0, 0, 0.5, 1, 1])
    expect(Phi(NaN)).toBeNaN()
  })
})

describe('PhiInverse', () => {
  it('is scipy to 12 digits, into both tails', () => {
    for (const { p, x } of fromPython.inverse)
      expect(Math.abs(PhiInverse(p) - x), `p = ${p}`).toBeLessThan(1e-12 * Math.max(1, Math.abs(x)))
  })

  it('undoes Phi', () => {
    for (let x = -8; x <= 5; x += 0.01) expect(Math.abs(PhiInverse(Phi(x)) - x)).toBeLessThan(1e-9)
  })

  it('has its ends, and nothing beyond them', () => {
    expect([0, 0.5, 1].map(PhiInverse)).toEqual([-Infinity, 0, Infinity])
    for (const p of [-0.1, 1.1, NaN]) expect(PhiInverse(p)).toBeNaN()
  })
})

it('density is scipy to 12 digits', () => {
  for (const { x, density: expected } of fromPython.normal) expect(error(density(x), expected)).toBeLessThan(1e-12)
})

describe('Random', () => {
  it('is xoshiro128**', () => {
    // The first numbers of the authors' C code from this state, as rand_xoshiro's tests have them too.
    const next = xoshiro128([1, 2, 3, 4])
    expect(Array.from({ length: 10 }, next)).toEqual([
      11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597, 4258142804,
    ])
  })

  it('comes again with its seed', () => {
    const draw = (seed: number) => {
      const random = new Random(seed)
      return Array.from({ length: 5 }, () => random.normal())
    }
    expect(draw(7)).toEqual(draw(7))
    expect(draw(7)).not.toEqual(draw(8))
  })

  it('draws evenly, and from N(0, 1)', () => {
    const n = 100_000
    const random = new Random(0)
    const shares = Array.from({ length: n }, () => random.uniform()).sort((a, b) => a - b)
    const normals = Array.from({ length: n }, () => Phi(random.normal())).sort((a, b) => a - b)
    // Kolmogorov-Smirnov: 1.95 / sqrt(n) is passed once in a thousand seeds.
    for (const sorted of [shares, normals]) {
      const distance = Math.max(...sorted.map((p, i) => Math.abs(p - (i + 0.5) / n)))
      expect(distance).toBeLessThan(1.95 / Math.sqrt(n))
      expect(sorted[0]).toBeGreaterThan(0)
      expect(sorted[n - 1]).toBeLessThan(1)
    }
  })
})
