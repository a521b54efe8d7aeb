/** The state of the page in its address, after the #, so that it can be shared as a link. */

import { fromBase64url, toBase64url } from './base64'
import type { ColourBy } from './colours'
import type { PathKind } from './interpolation'
import type { Axis } from './plane'
import type { Extent } from './view'

export const TABS = ['edit', 'morph', 'sample', 'yourImage', 'diagnostics'] as const
export type Tab = (typeof TABS)[number]

/** The content of a link; missing parts have their initial value. */
export interface Address {
  z?: Float32Array
  /** The visible part of the plane; by default all points. */
  view?: Extent
  xAxis?: Axis
  yAxis?: Axis
  p?: boolean
  grid?: boolean
  colour?: ColourBy
  hidden?: string[]
  tab?: Tab
  /** Strengths that are not 0, by direction or axis: `d3` or `a0`. */
  strengths?: Record<string, number>
  pins?: Float32Array[]
  morph?: { a: number; b: number; t: number; kind: PathKind }
  sample?: { seed: number; prior: number }
  language?: string
}

/** The limit of a slider, in standard deviations. */
export const STRONGEST = 5

/** Most letters of an address that browsers and messengers preserve. */
export const LONGEST = 8000

export function write(address: Address): string {
  const parts = new URLSearchParams()
  const set = (key: string, value: string | undefined) => value !== undefined && value !== '' && parts.set(key, value)
  const { view, colour, morph, sample } = address
  set('lang', address.language)
  set('z', address.z && toBase64url(address.z))
  // The centre of a small extent needs more digits than its size.
  set('view', view && [view.x, view.y, view.width, view.height].map((value) => Number(value.toPrecision(9))).join('_'))
  set('x', address.xAxis && axisText(address.xAxis))
  set('y', address.yAxis && axisText(address.yAxis))
  set('p', address.p ? '1' : undefined)
  set('grid', address.grid ? '1' : undefined)
  set('colour', colour && (colour.by === 'attribute' ? `attribute:${colour.name}` : colour.by))
  set('hidden', address.hidden?.join('~'))
  set('tab', address.tab)
  const strengths = Object.entries(address.strengths ?? {}).filter(([, value]) => value !== 0)
  set('edit', strengths.map(([key, value]) => `${key}_${Number(value.toFixed(2))}`).join('~'))
  set('pins', address.pins?.map(toBase64url).join('~'))
  set('morph', morph && [morph.a, morph.b, Number(morph.t.toFixed(4)), morph.kind].join('_'))
  set('sample', sample && `${sample.seed}_${sample.prior}`)
  return parts.toString()
}

/** Parse an address; damaged parts, and those that do not fit `d` dimensions, are ignored. */
export function read(hash: string, d: number): Address {
  const parts = new URLSearchParams(hash.replace(/^#/, ''))
  const get = (key: string) => parts.get(key) ?? ''
  const vector = (text: string) => {
    const found = text ? fromBase64url(text) : null
    return found && found.length === d && found.every(Number.isFinite) ? found : undefined
  }
  const address: Address = {
    language: get('lang') || undefined,
    z: vector(get('z')),
    xAxis: axis(get('x')),
    yAxis: axis(get('y')),
    colour: colourBy(get('colour')),
    tab: TABS.find((tab) => tab === get('tab')),
  }
  const view = numbers(get('view'), 4)
  if (view && view[2] > 0 && view[3] > 0) address.view = { x: view[0], y: view[1], width: view[2], height: view[3] }
  if (parts.has('p')) address.p = get('p') === '1'
  if (parts.has('grid')) address.grid = get('grid') === '1'
  if (get('hidden')) address.hidden = get('hidden').split('~')
  const strengths = get('edit').split('~').map((part) => /^([da]\d+)_(-?[\d.]+)$/.exec(part))
  const known = strengths.flatMap((part) => (part ? [[part[1], clamp(Number(part[2]), STRONGEST)] as const] : []))
  if (known.length > 0) address.strengths = Object.fromEntries(known.filter(([, value]) => Number.isFinite(value)))
  if (get('pins')) address.pins = get('pins').split('~').flatMap((part) => vector(part) ?? [])
  const morph = /^(-?\d+)_(-?\d+)_([\d.]+)_(linear|spherical)$/.exec(get('morph'))
  if (morph) {
    const t = Math.min(1, Math.max(0, Number(morph[3]) || 0))
    address.morph = { a: Number(morph[1]), b: Number(morph[2]), t, kind: morph[4] as PathKind }
  }
  const sample = numbers(get('sample'), 2)
  if (sample) address.sample = { seed: Math.trunc(sample[0]), prior: Math.trunc(sample[1]) }
  return address
}

const axisText = (one: Axis): string => `${one.kind}${one.k}`

function axis(text: string): Axis | undefined {
  const found = /^(pc|dim)(\d{1,5})$/.exec(text)
  return found ? { kind: found[1] as Axis['kind'], k: Number(found[2]) } : undefined
}

function colourBy(text: string): ColourBy | undefined {
  if (text === 'class' || text === 'split' || text === 'none') return { by: text }
  return text.startsWith('attribute:') ? { by: 'attribute', name: text.slice('attribute:'.length) } : undefined
}

function numbers(text: string, count: number): number[] | undefined {
  const found = text ? text.split('_').map(Number) : []
  return found.length === count && found.every(Number.isFinite) ? found : undefined
}

const clamp = (value: number, most: number): number => Math.min(Math.max(value, -most), most)
