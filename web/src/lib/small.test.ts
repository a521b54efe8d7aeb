import { describe, expect, it } from 'vitest'
import { group } from './colours'
import { fixed, signed } from './numbers'
import { percentile } from './own'
import { draw } from './priors'
import type { Wardrobe } from './wardrobe'
import { preferred, say } from '../words'
import { en } from '../words/en'
import { ko } from '../words/ko'

describe('numbers', () => {
  it('have a true minus sign, and zero has none', () => {
    expect(fixed(-1.234)).toBe('−1.23')
    expect(signed(1.5)).toBe('+1.5')
    expect(signed(-0.04)).toBe('0.0')
    expect(signed(-2)).toBe('−2.0')
  })
})

describe('a percentile', () => {
  const usual = Array.from({ length: 101 }, (_, p) => p / 100)
  it('says how many percent have a smaller error', () => {
    expect(percentile(0.505, usual)).toBe(50)
    expect(percentile(0, usual)).toBe(0)
    expect(percentile(0.995, usual)).toBe(99)
    expect(percentile(7, usual)).toBe(100)
  })
})

describe('a draw', () => {
  it('is the same for the same seed and another for another', () => {
    const one = draw({ kind: 'normal' }, 3, 4, 5)
    expect(draw({ kind: 'normal' }, 3, 4, 5)).toEqual(one)
    expect(draw({ kind: 'normal' }, 3, 4, 6)).not.toEqual(one)
  })

  it('from a box lies in it', () => {
    for (const z of draw({ kind: 'box', low: [-1, 10], high: [1, 20] }, 2, 200, 1)) {
      expect(Math.abs(z[0])).toBeLessThanOrEqual(1)
      expect(z[1]).toBeGreaterThanOrEqual(10)
      expect(z[1]).toBeLessThanOrEqual(20)
    }
  })

  it('from a fitted prior chooses among the places drawn beforehand', () => {
    const drawn = Float32Array.from({ length: 200 }, (_, i) => i)
    const places = draw({ kind: 'flow', file: 'draws_flow' }, 2, 18, 1, drawn)
    expect(new Set(places.map((z) => z[0])).size).toBe(18)
    for (const z of places) expect([z[0] % 2, z[1] - z[0]]).toEqual([0, 1])
    expect(draw({ kind: 'flow', file: 'draws_flow' }, 2, 18, 1, drawn)).toEqual(places)
    expect(draw({ kind: 'flow', file: 'draws_flow' }, 2, 18, 1)).toEqual([])
    expect(draw({ kind: 'gmm', file: 'draws_gmm' }, 2, 18, 1, drawn.slice(0, 6))).toHaveLength(3)
  })

  it('from N(0, I) has its mean and its spread', () => {
    const values = draw({ kind: 'normal' }, 50, 200, 3).flatMap((z) => [...z])
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length
    const spread = values.reduce((sum, value) => sum + value ** 2, 0) / values.length
    expect(mean).toBeCloseTo(0, 1)
    expect(spread).toBeCloseTo(1, 1)
  })
})

describe('groups', () => {
  const wardrobe = {
    n: 4,
    labels: Int16Array.of(0, 1, -1, 1),
    splits: Uint8Array.of(0, 0, 1, 1),
    attributes: Int8Array.of(1, -1, 0, 1),
    manifest: {
      data: {
        classes: [
          { name: 'shoe', colour: '#ff0000' },
          { name: 'bag', colour: '#00ff00' },
        ],
        splits: ['train', 'test'],
        attributes: ['Smiling'],
      },
    },
  } as unknown as Wardrobe
  const names = { unknown: '?', has: 'yes', lacks: 'no', all: 'all' }
  const counts = (by: Parameters<typeof group>[1]) => group(wardrobe, by, names).groups.map(({ name, n }) => [name, n])

  it('count the images of each class, split and answer', () => {
    expect(counts({ by: 'class' })).toEqual([['shoe', 1], ['bag', 2], ['?', 1]]) // prettier-ignore
    expect(counts({ by: 'split' })).toEqual([['train', 2], ['test', 2]]) // prettier-ignore
    expect(counts({ by: 'attribute', name: 'Smiling' })).toEqual([['yes', 2], ['no', 1], ['?', 1]]) // prettier-ignore
    expect(counts({ by: 'none' })).toEqual([['all', 4]])
    expect(counts({ by: 'attribute', name: 'Frowning' })).toEqual([['all', 4]])
  })

  it('say which image belongs to which', () => {
    expect([...group(wardrobe, { by: 'class' }, names).of]).toEqual([0, 1, 2, 1])
  })
})

describe('words', () => {
  it('are filled in, numbers with separators', () => {
    expect(say('en', 'shown', { shown: 60000, of: 70000 })).toBe('60,000 of 70,000 shown')
    expect(say('ko', 'shown', { shown: 60000, of: 70000 })).toBe('70,000개 중 60,000개 표시')
  })

  it('have the same blanks in both languages', () => {
    const blanks = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map((match) => match[1]).sort()
    for (const key of Object.keys(en) as (keyof typeof en)[]) expect([key, blanks(ko[key])]).toEqual([key, blanks(en[key])])
  })

  it('are all said somewhere', () => {
    const sources = import.meta.glob(['../**/*.svelte', '../**/*.ts', '!../words/*', '!../**/*.test.ts'], {
      eager: true,
      query: '?raw',
      import: 'default',
    })
    const all = Object.values(sources).join()
    const kinds = ['normal', 'box', 'gmm', 'flow', 'neighbours'] // of priors, named by the manifest
    expect(Object.keys(en).filter((key) => !all.includes(`'${key}'`) && !kinds.includes(key))).toEqual([])
  })

  it('never shout', () => {
    for (const text of [...Object.values(en), ...Object.values(ko)]) expect(text).not.toContain('!')
  })

  it('are in the language that the reader wants', () => {
    expect(preferred(['fr-FR', 'ko-KR', 'en'])).toBe('ko')
    expect(preferred(['de'])).toBe('en')
  })
})
