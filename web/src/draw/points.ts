/** Points on the map, drawn on the CPU into the pixels of a canvas. */

import type { View, Size } from '../lib/view'
import type { RGB } from '../lib/colours'

/** The points to draw. */
export interface Cloud {
  n: number
  xs: Float32Array
  ys: Float32Array
  /** Where points start during a transition; null without one. */
  from: { xs: Float32Array; ys: Float32Array; t: number } | null
  /** Group of each point, an index into `colours`. */
  groups: Uint8Array
  colours: RGB[]
  /** Whether the points of a group are shown. */
  shown: boolean[]
}

export interface PointRenderer {
  readonly name: 'processor' | 'webgl'
  resize(size: Size, ratio: number): void
  /** Draw all points; opacity 0 to 1. `changed`: something other than the view has changed since the last call. */
  draw(cloud: Cloud, view: View, opacity: number, changed: boolean): void
  dispose(): void
}

/** Side of a dot in CSS pixels, small enough that the background stays visible between many. */
export function dotSize(n: number): number {
  return Math.min(Math.max(Math.sqrt(40000 / Math.max(n, 1)), 1.5), 5)
}

/** Opacity of a dot. */
export function dotOpacity(n: number): number {
  return Math.min(Math.max(12000 / Math.max(n, 1), 0.45), 0.85)
}

export class ProcessorPoints implements PointRenderer {
  readonly name = 'processor'
  private readonly context: CanvasRenderingContext2D
  private image = new ImageData(1, 1)
  private pixels = new Uint32Array(this.image.data.buffer)
  private ratio = 1

  constructor(private readonly canvas: HTMLCanvasElement) {
    const context = canvas.getContext('2d')
    if (!context) throw new Error('no 2d canvas')
    this.context = context
  }

  resize(size: Size, ratio: number): void {
    this.ratio = ratio
    this.canvas.width = Math.max(1, Math.round(size.width * ratio))
    this.canvas.height = Math.max(1, Math.round(size.height * ratio))
    this.image = new ImageData(this.canvas.width, this.canvas.height)
    this.pixels = new Uint32Array(this.image.data.buffer)
  }

  draw(cloud: Cloud, view: View, opacity: number): void {
    const { width, height } = this.canvas
    this.pixels.fill(0)
    if (opacity > 0) this.splat(cloud, view, opacity, width, height)
    this.context.putImageData(this.image, 0, 0)
  }

  private splat(cloud: Cloud, view: View, opacity: number, width: number, height: number): void {
    const { n, xs, ys, from, groups } = cloud
    const scale = view.scale * this.ratio
    const side = Math.max(1, Math.round(dotSize(n) * this.ratio))
    const stamp = disc(side)
    const ox = width / 2 - view.x * scale - (side - 1) / 2
    const oy = height / 2 + view.y * scale - (side - 1) / 2
    // Straight alpha, equal for all dots, which accumulates where they overlap.
    const alpha = Math.round(255 * dotOpacity(n) * opacity)
    const packed = cloud.colours.map(([r, g, b]) => (b << 16) | (g << 8) | r)
    const { pixels } = this
    const t = from?.t ?? 1
    for (let i = 0; i < n; i++) {
      const group = groups[i]
      if (!cloud.shown[group]) continue
      const x = from ? from.xs[i] + (xs[i] - from.xs[i]) * t : xs[i]
      const y = from ? from.ys[i] + (ys[i] - from.ys[i]) * t : ys[i]
      const left = Math.round(ox + x * scale)
      const top = Math.round(oy - y * scale)
      if (left < 0 || top < 0 || left + side > width || top + side > height) continue
      const colour = packed[group]
      const at = top * width + left
      for (let k = 0; k < stamp.length; k += 3) {
        const to = at + stamp[k + 1] * width + stamp[k]
        const cover = (alpha * stamp[k + 2]) >> 8
        pixels[to] = pixels[to] === 0 ? ((cover << 24) | colour) >>> 0 : over(pixels[to], colour, cover)
      }
    }
  }

  dispose(): void {}
}

/** Colour with alpha laid over a pixel that is not empty; both 0xAABBGGRR, straight alpha. */
function over(below: number, colour: number, alpha: number): number {
  const was = below >>> 24
  const covered = alpha + ((was * (255 - alpha)) >> 8)
  const share = Math.min(256, Math.round((alpha * 256) / covered))
  const rest = 256 - share
  // Red and blue together: they do not overflow into each other in 32 bits.
  const redBlue = (((colour & 0xff00ff) * share + (below & 0xff00ff) * rest) >>> 8) & 0xff00ff
  const green = ((((colour >>> 8) & 0xff) * share + ((below >>> 8) & 0xff) * rest) >>> 8) << 8
  return ((covered << 24) | redBlue | green) >>> 0
}

/** Pixels of a disc of a given side: x, y, and how much of the pixel it covers, of 256; one after the other. */
function disc(side: number): Int32Array {
  const pixels: number[] = []
  const [middle, radius, parts] = [side / 2, side / 2, 4]
  for (let y = 0; y < side; y++)
    for (let x = 0; x < side; x++) {
      let inside = 0
      for (let j = 0; j < parts; j++)
        for (let i = 0; i < parts; i++)
          if (Math.hypot(x + (i + 0.5) / parts - middle, y + (j + 0.5) / parts - middle) <= radius) inside++
      // Dots of one or two pixels are not rounded.
      pixels.push(x, y, side < 3 ? 256 : (256 * inside) / parts ** 2)
    }
  return Int32Array.from(pixels)
}
