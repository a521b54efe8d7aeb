/** Which part of the plane the map shows. Points grow to the right and up; pixels to the right and down. */
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

/** The view after zooming by a factor about a point of the screen, which stays where it is. */
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

/** The view that shows a box with a margin around it, clear of the axes. */
export function around(low: [number, number], high: [number, number], size: Size, margin = 0.04): View {
  const width = Math.max(high[0] - low[0], 1e-6)
  const height = Math.max(high[1] - low[1], 1e-6)
  const room = 1 - 2 * margin
  const free = { width: Math.max(size.width - GUTTER.left, 1), height: Math.max(size.height - GUTTER.bottom, 1) }
  const scale = Math.max(Math.min((free.width * room) / width, (free.height * room) / height), 1e-9)
  const x = (low[0] + high[0]) / 2 - GUTTER.left / 2 / scale
  const y = (low[1] + high[1]) / 2 - GUTTER.bottom / 2 / scale
  return { x, y, scale }
}

/** The box that holds all but the outermost points: one stray image should not make all others small. */
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
