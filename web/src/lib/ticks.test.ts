import { describe, expect, it } from 'vitest'
import { noise } from './from_python'
import { format, ticks } from './ticks'

describe('ticks', () => {
  it.each([
    [-3, 3, 6, [-3, -2, -1, 0, 1, 2, 3]],
    [0, 1, 5, [0, 0.2, 0.4, 0.6, 0.8, 1]],
    [-0.35, 0.35, 7, [-0.3, -0.2, -0.1, 0, 0.1, 0.2, 0.3]],
    [12, 1240, 3, [500, 1000]],
    [0, 0.0101, 2, [0, 0.005, 0.01]],
    [0, 9.9, 10, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]],
    [3, -3, 3, [-2, 0, 2]],
  ])('%d to %d, about %i', (low, high, about, expected) => {
    expect(ticks(low, high, about).values).toEqual(expected)
  })

  it('are none where there is no span', () => {
    for (const [low, high] of [[1, 1], [NaN, 1], [0, Infinity], [-Infinity, Infinity]])
      expect(ticks(low, high, 5)).toEqual({ values: [], step: 0 })
  })

  it('are about as many as asked for, inside, of step 1, 2 or 5', () => {
    const at = noise(600, 1)
    for (let i = 0; i < 600; i += 3) {
      const low = (at[i] / 2 ** 32 - 0.5) * 10 ** ((at[i + 1] % 13) - 6)
      const span = (1 + at[i + 2] / 2 ** 32) * 10 ** ((at[i + 2] % 9) - 4)
      const { values, step } = ticks(low, low + span, 6)
      expect(values.length).toBeGreaterThanOrEqual(3)
      expect(values.length).toBeLessThanOrEqual(10)
      expect(step.toExponential()).toMatch(/^[125]e/)
      for (const value of values) {
        expect(value).toBeGreaterThanOrEqual(low - 1e-8 * step)
        expect(value).toBeLessThanOrEqual(low + span + 1e-8 * step)
        expect(Number(format(value, step).replace('\u2212', '-'))).toBe(value)
      }
    }
  })
})

describe('format', () => {
  it('has the digits of its step, and a true minus sign', () => {
    const { values, step } = ticks(-0.4, 0.4, 4)
    expect(values.map((value) => format(value, step))).toEqual(['\u22120.4', '\u22120.2', '0.0', '0.2', '0.4'])
    expect(format(-1.2345, 0.05)).toBe('\u22121.23')
    expect(format(1500, 500)).toBe('1500')
    expect(format(0.3, 0.1)).toBe('0.3')
    expect(format(1e-6, 1e-6)).toBe('0.000001')
  })

  it('gives nothing a sign that is shown as nothing', () => {
    expect(format(-0, 1)).toBe('0')
    expect(format(-0.001, 0.1)).toBe('0.0')
  })

  it('shows a number in full without a step', () => {
    expect(format(-0.25, 0)).toBe('\u22120.25')
  })
})
