/** Colours as numbers, and which point has which. */

import type { Wardrobe } from './wardrobe'

/** Red, green and blue, 0 to 255. */
export type RGB = [number, number, number]

/** What points are coloured by. */
export type ColourBy = { by: 'class' | 'split' | 'none' } | { by: 'attribute'; name: string }

/** One line of the legend: a group of points with its name, colour and size. */
export interface Group {
  key: string
  name: string
  colour: RGB
  n: number
}

const UNKNOWN: RGB = [150, 146, 140]
const YES: RGB = [0, 122, 130]
const NO: RGB = [222, 115, 60]
/** One colour per split: the most different ones of the class colours. */
const SPLITS: RGB[] = [
  [115, 165, 255],
  [165, 66, 0],
  [0, 115, 99],
]

export function parse(hex: string): RGB {
  const value = Number.parseInt(hex.slice(1), 16)
  return [(value >> 16) & 255, (value >> 8) & 255, value & 255]
}

export const css = ([r, g, b]: RGB): string => `rgb(${r} ${g} ${b})`

export interface Names {
  unknown: string
  has: string
  lacks: string
  all: string
}

/** The groups, and the group of each point as an index into them. */
export function group(wardrobe: Wardrobe, colour: ColourBy, names: Names): { groups: Group[]; of: Uint8Array } {
  const { n, manifest } = wardrobe
  const of = new Uint8Array(n)
  let groups: Group[]
  if (colour.by === 'class' && manifest.data.classes.length > 0) {
    groups = manifest.data.classes.map((c, k) => ({ key: String(k), name: c.name, colour: parse(c.colour), n: 0 }))
    // One byte per image has room for 255 groups; all further ones share the last.
    const last = Math.min(groups.length, 255)
    groups = [...groups.slice(0, last), { key: '-1', name: names.unknown, colour: UNKNOWN, n: 0 }]
    for (let i = 0; i < n; i++) of[i] = wardrobe.labels[i] < 0 ? last : Math.min(wardrobe.labels[i], last)
  } else if (colour.by === 'split') {
    groups = manifest.data.splits.map((name, k) => ({ key: name, name, colour: SPLITS[k % 3], n: 0 }))
    of.set(wardrobe.splits.subarray(0, n))
  } else if (colour.by === 'attribute' && manifest.data.attributes.includes(colour.name)) {
    groups = [
      { key: 'yes', name: names.has, colour: YES, n: 0 },
      { key: 'no', name: names.lacks, colour: NO, n: 0 },
      { key: 'unknown', name: names.unknown, colour: UNKNOWN, n: 0 },
    ]
    const row = manifest.data.attributes.indexOf(colour.name) * n
    for (let i = 0; i < n; i++) {
      const value = wardrobe.attributes[row + i]
      of[i] = value > 0 ? 0 : value < 0 ? 1 : 2
    }
  } else {
    groups = [{ key: 'all', name: names.all, colour: YES, n: 0 }]
  }
  for (let i = 0; i < n; i++) groups[of[i]].n++
  return { groups, of }
}
