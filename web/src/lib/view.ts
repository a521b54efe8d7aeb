/** A part of the plane that the map shows, in the units of the plane: its middle and its size. */
export interface Extent {
  x: number
  y: number
  width: number
  height: number
}

/** A view of the plane in a window. Coordinates grow to the right and up, pixels to the right and down. */
export interface View {
  /** The point in the middle of the map. */
  x: number
  y: number
  /** CSS pixels a unit, the same both ways. */
  scale: number
}

export interface Size {
  width: number
  height: number
}

export const toScreen = (view: View, size: Size, x: number, y: number): [number, number] => [
  size.width / 2 + (x - view.x) * view.scale,
  size.height / 2 - (y - view.y) * view.scale,
]

export const toPlane = (view: View, size: Size, left: number, top: number): [number, number] => [
  view.x + (left - size.width / 2) / view.scale,
  view.y - (top - size.height / 2) / view.scale,
]

/** The view after zooming by a factor about a fixed point of the screen. */
export function zoomed(view: View, size: Size, left: number, top: number, factor: number, limits: [number, number]): View {
  const scale = Math.min(Math.max(view.scale * factor, limits[0]), limits[1])
  const [x, y] = toPlane(view, size, left, top)
  return { x: x - (left - size.width / 2) / scale, y: y + (top - size.height / 2) / scale, scale }
}

export const panned = (view: View, dx: number, dy: number): View => ({
  x: view.x - dx / view.scale,
  y: view.y + dy / view.scale,
  scale: view.scale,
})

/** CSS pixels along the left and the lower edge in which the axes are written. */
export const GUTTER = { left: 40, bottom: 24 }

const plot = ({ width, height }: Size): Size => ({
  width: Math.max(width - GUTTER.left, 1),
  height: Math.max(height - GUTTER.bottom, 1),
})

/** The view that shows an extent as large as it fits, clear of the axes. */
export function viewOf(extent: Extent, size: Size): View {
  const { width, height } = plot(size)
  const scale = Math.min(width / extent.width, height / extent.height)
  return { x: extent.x - GUTTER.left / 2 / scale, y: extent.y - GUTTER.bottom / 2 / scale, scale }
}

/** The extent that a view shows clear of the axes: the inverse of `viewOf`. */
export function extentOf({ x, y, scale }: View, size: Size): Extent {
  const { width, height } = plot(size)
  return { x: x + GUTTER.left / 2 / scale, y: y + GUTTER.bottom / 2 / scale, width: width / scale, height: height / scale }
}

/** The extent of a box with a margin. A box of size 0 gets two units of the plane. */
export function around(low: [number, number], high: [number, number], margin = 0.04): Extent {
  const [x, y] = [(low[0] + high[0]) / 2, (low[1] + high[1]) / 2]
  const [width, height] = [high[0] - low[0], high[1] - low[1]]
  // Differences below single precision count as 0.
  const room = Math.max(width, height) > 1e-6 * Math.max(Math.abs(x), Math.abs(y)) ? 1 - 2 * margin : 0
  return room > 0 ? { x, y, width: width / room, height: height / room } : { x, y, width: 2, height: 2 }
}

/** Limits of zooming out and in, relative to the whole map. */
export const ZOOM = { out: 8, in: 4000 }

/**
 * Whether an extent shows points: it overlaps the whole map, and is within the limits of zooming.
 *
 * @param slack widens all limits by a factor, for an estimated `whole` and windows of other proportions.
 */
export function isUseful(extent: Extent, whole: Extent, slack = 4): boolean {
  const ratio = Math.max(extent.width, extent.height) / Math.max(whole.width, whole.height)
  const away = (middle: 'x' | 'y', side: 'width' | 'height') =>
    Math.abs(extent[middle] - whole[middle]) - (slack * whole[side] + extent[side]) / 2
  // Every comparison with NaN is false.
  const overlaps = away('x', 'width') <= 0 && away('y', 'height') <= 0
  return overlaps && Math.min(extent.width, extent.height) > 0 && ratio <= slack * ZOOM.out && ratio * slack * ZOOM.in >= 1
}

/** The box of all but the outermost points, so that one outlier does not make all others small. */
export function bulk(xs: Float32Array, ys: Float32Array, n: number, stray = 0.0005): [[number, number], [number, number]] {
  const side = (values: Float32Array): [number, number] => {
    const step = Math.max(1, Math.floor(n / 20000))
    const sample = new Float32Array(Math.ceil(n / step))
    for (let i = 0; i < sample.length; i++) sample[i] = values[i * step]
    sample.sort()
    const cut = Math.floor(sample.length * stray)
    return [sample[cut] ?? -1, sample[sample.length - 1 - cut] ?? 1]
  }
  const [x, y] = [side(xs), side(ys)]
  return [
    [x[0], y[0]],
    [x[1], y[1]],
  ]
}
