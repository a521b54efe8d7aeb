/** Where the axes of the map are written, in CSS pixels: nothing is cut off, and no two texts overlap. */

import { format, ticks } from './ticks'
import { GUTTER, toPlane, toScreen, type Size, type View } from './view'

const { bottom: BOTTOM } = GUTTER
/** Between a text and whatever is next to it. */
const AIR = 8
const TICK = 4

export interface Tick {
  /** Pixels from the left for a tick of the horizontal axis, from the top for one of the vertical axis. */
  at: number
  /** Empty where there is no room for it. */
  text: string
}

export interface Axes {
  /** Width of the gutter on the left: as wide as the values in it, at least `GUTTER.left`. */
  left: number
  xAxis: Tick[]
  yAxis: Tick[]
  /** Widths of the two names. */
  names: [number, number]
}

/**
 * Lay out the axes of a view.
 *
 * @param unit limits the values to 0..1, the range of a probability.
 * @param widthOf measures a text.
 */
export function axesOf(
  view: View,
  size: Size,
  names: [string, string],
  unit: boolean,
  widthOf: (text: string) => number,
): Axes {
  const { width, height } = size
  const floor = height - BOTTOM
  const within = (value: number) => !unit || (value > -1e-9 && value < 1 + 1e-9)
  const labelled = (low: number, high: number, about: number) => {
    const { values, step } = ticks(low, high, about)
    return values.filter(within).map((value) => ({ value, text: format(value, step) }))
  }
  const widths = names.map(widthOf) as [number, number]

  // The name of the vertical axis is written above its values.
  const bottom = toPlane(view, size, 0, floor)[1]
  const top = toPlane(view, size, 0, 0)[1]
  const yAxis = labelled(bottom, top, Math.max(2, height / 90)).map(({ value, text }) => {
    const at = toScreen(view, size, 0, value)[1]
    return { at, text: at > 28 && at < floor - AIR ? text : '' }
  })
  const left = Math.max(GUTTER.left, ...yAxis.map(({ text }) => Math.ceil(widthOf(text)) + TICK + AIR))

  // The name of the horizontal axis is written to the right of its values.
  const [low, high] = [toPlane(view, size, left, 0)[0], toPlane(view, size, width, 0)[0]]
  const end = width - AIR - widths[0] - AIR
  let about = Math.max(2, width / 110)
  let found = labelled(low, high, about)
  const crowded = () => found.length > 1 && (found[1].value - found[0].value) * view.scale < widest() + AIR
  const widest = () => Math.max(...found.map(({ text }) => widthOf(text)))
  while (about > 0.1 && crowded()) found = labelled(low, high, (about /= 1.5))
  const xAxis = found.map(({ value, text }) => {
    const at = toScreen(view, size, value, 0)[0]
    const half = widthOf(text) / 2
    return { at, text: at - half > TICK && at + half < end ? text : '' }
  })
  return { left, xAxis, yAxis, names: widths }
}
