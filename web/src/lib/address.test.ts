import { describe, expect, it } from 'vitest'
import { read, write, type Address } from './address'

const whole: Address = {
  z: Float32Array.from([0.25, -1.5]),
  view: { x: 3.12345678, y: -2, width: 0.0025, height: 0.001 },
  xAxis: { kind: 'pc', k: 0 },
  yAxis: { kind: 'dim', k: 1 },
  p: true,
  grid: true,
  colour: { by: 'attribute', name: 'Blond_Hair: & more' },
  hidden: ['0', 'no'],
  tab: 'morph',
  strengths: { d3: 1.5, a0: -2 },
  pins: [Float32Array.from([1, 2]), Float32Array.from([-0.1, 3e-7])],
  morph: { a: 0, b: 1, t: 0.25, kind: 'spherical' },
  sample: { seed: 7, prior: 1 },
  language: 'ko',
}

describe('an address', () => {
  it('is read as it was written', () => {
    expect(read(`#${write(whole)}`, 2)).toEqual(whole)
  })

  it('says nothing of what is as at first', () => {
    expect(write({})).toBe('')
    expect(write({ strengths: { d0: 0 }, pins: [], hidden: [] })).toBe('')
  })

  it.each([
    ['z=AAAA', { z: undefined }],
    [write({ z: Float32Array.from([1, 2, 3]) }), { z: undefined }],
    [write({ z: Float32Array.from([Number.NaN, 1]) }), { z: undefined }],
    ['view=1_2_x_4', { view: undefined }],
    ['view=1_2_3', { view: undefined }],
    ['view=1_2_3_0', { view: undefined }],
    ['view=1_2_-3_4', { view: undefined }],
    ['view=1_NaN_3_4', { view: undefined }],
    ['view=1e999_2_3_4', { view: undefined }],
    ['tab=basement', { tab: undefined }],
    ['edit=d1_1e9~q_3~a2_0.5', { strengths: { a2: 0.5 } }],
    ['edit=d1_999', { strengths: { d1: 5 } }],
    ['x=pc', { xAxis: undefined }],
    ['morph=0_1_7_linear', { morph: { a: 0, b: 1, t: 1, kind: 'linear' } }],
    ['morph=0_1_.5_cubic', { morph: undefined }],
    ['%E0%A4%A', {}],
  ])('that is damaged, %s, leaves out what is', (hash, expected) => {
    const found = read(hash, 2)
    for (const [key, value] of Object.entries(expected)) expect(found[key as keyof Address]).toEqual(value)
  })
})
