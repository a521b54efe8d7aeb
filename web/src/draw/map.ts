/** The drawing of the map, on five layers: grid, points, thumbnails, their class bars, axes and marks. */

import { axesOf } from '../lib/axes'
import { css, type Group } from '../lib/colours'
import type { Plane } from '../lib/plane'
import { GUTTER, toPlane, toScreen, type Size, type View } from '../lib/view'
import type { Wardrobe } from '../lib/wardrobe'
import type { DecodedGrid } from './grid'
import { ProcessorPoints, type Cloud, type PointRenderer } from './points'
import type { Thumbnails } from './sheets'
import { GraphicsPoints, hasGraphics } from './webgl'

/** CSS pixels between neighbours where thumbnails begin to replace points, and where they have. */
const DOTS_END = 14
const THUMBNAILS_BEGIN = 22
const LARGEST_THUMBNAIL = 96
const MOST_THUMBNAILS = 1200
const GLIDE_MS = 400
const { bottom: BOTTOM } = GUTTER

export interface Layers {
  grid: HTMLCanvasElement
  points: HTMLCanvasElement
  thumbnails: HTMLCanvasElement
  /** The bars under thumbnails have their own layer: greys are inverted by a filter of a whole layer. */
  bars: HTMLCanvasElement
  marks: HTMLCanvasElement
}

export interface Mark {
  point: [number, number]
  kind: 'ghost' | 'item' | 'sample'
}

/** What the map shows now. */
export interface Scene {
  view: View
  plane: Plane
  axisNames: [string, string]
  groups: Group[]
  groupOf: Uint8Array
  hidden: ReadonlySet<string>
  grid: DecodedGrid | null
  /** The circles of N(0, I), one and two standard deviations, are worth showing. */
  circles: boolean
  marks: Mark[]
  look: [number, number]
  still: boolean
}

export class MapPainter {
  size: Size = { width: 1, height: 1 }
  private readonly xs: Float32Array
  private readonly ys: Float32Array
  private from: { xs: Float32Array; ys: Float32Array; start: number } | null = null
  private placed = 0
  private plane: Plane | null = null
  private renderer: PointRenderer
  private stale = true
  private frame = 0
  private whole = true
  private asPictures = 0
  private ratio = 1
  private readonly contexts: Record<Exclude<keyof Layers, 'points'>, CanvasRenderingContext2D>
  private lastGroups: unknown = null
  private lastHidden: unknown = null

  constructor(
    private readonly layers: Layers,
    private readonly wardrobe: Wardrobe,
    private readonly thumbnails: Thumbnails,
    private readonly scene: () => Scene | null,
    private readonly onLost: () => void,
    prefer: string | null,
  ) {
    this.xs = new Float32Array(wardrobe.n)
    this.ys = new Float32Array(wardrobe.n)
    const context = (canvas: HTMLCanvasElement) => {
      const found = canvas.getContext('2d')
      if (!found) throw new Error('no 2d canvas')
      return found
    }
    this.contexts = {
      grid: context(layers.grid),
      thumbnails: context(layers.thumbnails),
      bars: context(layers.bars),
      marks: context(layers.marks),
    }
    this.renderer = this.choose(prefer)
    for (const canvas of Object.values(layers)) {
      for (const lost of ['contextlost', 'webglcontextlost']) canvas.addEventListener(lost, this.lost)
      for (const back of ['contextrestored', 'webglcontextrestored']) canvas.addEventListener(back, this.restored)
    }
    thumbnails.onSheet = this.sheetCame
  }

  /** Which renderer draws the points. */
  get drawnBy(): string {
    return this.renderer.name
  }

  private choose(prefer: string | null): PointRenderer {
    try {
      if (prefer === 'webgl' || (prefer === null && hasGraphics())) return new GraphicsPoints(this.layers.points)
    } catch {
      // WebGL may fail although the browser offers it: fall back to drawing on the CPU.
    }
    return new ProcessorPoints(this.layers.points)
  }

  private readonly lost = (event: Event) => {
    event.preventDefault() // or the context would never be restored
    this.onLost()
  }

  private readonly restored = () => {
    if (this.renderer instanceof GraphicsPoints) this.renderer = new GraphicsPoints(this.layers.points)
    this.resize(this.size)
  }

  resize(size: Size): void {
    this.size = size
    this.ratio = Math.min(globalThis.devicePixelRatio || 1, 2)
    for (const { canvas } of Object.values(this.contexts)) {
      canvas.width = Math.max(1, Math.round(size.width * this.ratio))
      canvas.height = Math.max(1, Math.round(size.height * this.ratio))
    }
    this.renderer.resize(size, this.ratio)
    this.stale = true
    this.invalidate()
  }

  /** Rows were loaded, or another plane is shown; `glide` animates points between z and p. */
  lay(plane: Plane, glide: boolean): void {
    const { wardrobe } = this
    if (plane !== this.plane) {
      const other = this.plane !== null && this.plane.p !== plane.p
      this.from = glide && other && this.placed > 0 ? { xs: this.xs.slice(), ys: this.ys.slice(), start: performance.now() } : null
      this.plane = plane
      this.placed = 0
    }
    plane.points(wardrobe.latents, this.placed, wardrobe.loaded, this.xs, this.ys)
    this.placed = wardrobe.loaded
    this.stale = true
    this.invalidate()
  }

  get points(): { xs: Float32Array; ys: Float32Array; n: number } {
    return { xs: this.xs, ys: this.ys, n: this.placed }
  }

  /** Redraw at the next frame: everything, or only the marks. */
  invalidate(marksOnly = false): void {
    this.whole ||= !marksOnly
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0
      const scene = this.scene()
      if (!scene) return
      if (this.whole) {
        this.whole = false
        this.paint(scene)
      }
      this.paintMarks(scene)
    })
  }

  /** A sheet was loaded: redraw unless only points are shown. */
  private readonly sheetCame = () => {
    if (this.asPictures > 0) this.invalidate()
  }

  dispose(): void {
    cancelAnimationFrame(this.frame)
    this.frame = 0
    this.renderer.dispose()
  }

  private paint(scene: Scene): void {
    const glide = this.from ? Math.min(1, (performance.now() - this.from.start) / GLIDE_MS) : 1
    if (glide >= 1 && this.from) {
      this.from = null
      this.stale = true
    }
    const shown = scene.groups.map((group) => !scene.hidden.has(group.key))
    if (scene.groups !== this.lastGroups || scene.hidden !== this.lastHidden) this.stale = true
    this.lastGroups = scene.groups
    this.lastHidden = scene.hidden
    const near = this.from ? null : this.inView(scene, shown)
    const spacing = near ? Math.sqrt((this.size.width * this.size.height) / Math.max(near.count, 1)) : 0
    const asPictures = this.thumbnails.available ? smooth((spacing - DOTS_END) / (THUMBNAILS_BEGIN - DOTS_END)) : 0
    this.asPictures = asPictures
    const cloud: Cloud = {
      n: this.placed,
      xs: this.xs,
      ys: this.ys,
      from: this.from && { ...this.from, t: easeOut(glide) },
      groups: scene.groupOf,
      colours: scene.groups.map((group) => group.colour),
      shown,
    }
    const drawn = asPictures > 0 && near !== null && this.paintThumbnails(scene, near.rows, spacing, asPictures)
    // Without a GPU an empty layer costs a browser as much as a full one.
    this.layers.thumbnails.hidden = this.layers.bars.hidden = !drawn
    this.layers.grid.hidden = scene.grid === null
    // Under thumbnails points are fainter; over a grid they are translucent.
    const opacity = (drawn ? 1 - 0.75 * asPictures : 1) * (scene.grid ? 0.55 : 1)
    this.renderer.draw(cloud, scene.view, opacity, this.stale)
    this.stale = false
    const fading = this.paintGrid(scene)
    if (fading || this.from) this.invalidate()
  }

  private clear(layer: keyof typeof this.contexts): void {
    const context = this.contexts[layer]
    context.setTransform(1, 0, 0, 1, 0, 0)
    context.clearRect(0, 0, context.canvas.width, context.canvas.height)
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0)
  }

  /** The rows whose points are in view, up to a limit, and their number. */
  private inView(scene: Scene, shown: boolean[]): { rows: number[]; count: number } {
    const [left, top] = toPlane(scene.view, this.size, 0, 0)
    const [right, bottom] = toPlane(scene.view, this.size, this.size.width, this.size.height)
    const most = (this.size.width * this.size.height) / DOTS_END ** 2
    const rows: number[] = []
    let count = 0
    for (let i = 0; i < this.placed; i++) {
      const x = this.xs[i]
      const y = this.ys[i]
      if (x < left || x > right || y < bottom || y > top || !shown[scene.groupOf[i]]) continue
      if (++count <= most) rows.push(i)
    }
    return { rows, count }
  }

  /** Draw thumbnails that do not overlap, earlier rows first; true if there are any. */
  private paintThumbnails(scene: Scene, rows: number[], spacing: number, opacity: number): boolean {
    this.clear('thumbnails')
    this.clear('bars')
    const { thumbnails: context, bars } = this.contexts
    const side = Math.min(Math.max(spacing * 0.92, 8), LARGEST_THUMBNAIL, 2 * this.thumbnails.side)
    const free = new Spacing(side * 0.86)
    // Cells are fixed to the plane, so that panning does not change which are shown.
    const [ox, oy] = toScreen(scene.view, this.size, 0, 0)
    const bar = Math.max(1.5, side / 20)
    let drawn = 0
    context.globalAlpha = bars.globalAlpha = opacity
    context.imageSmoothingEnabled = side < this.thumbnails.side
    context.imageSmoothingQuality = 'medium'
    for (const row of rows) {
      if (drawn >= MOST_THUMBNAILS) break
      const [x, y] = toScreen(scene.view, this.size, this.xs[row], this.ys[row])
      if (!free.at(x - ox, y - oy)) continue
      const tile = this.thumbnails.tile(row)
      if (!tile) continue
      free.take(x - ox, y - oy)
      this.thumbnails.touch(row)
      const [l, t] = [x - side / 2, y - side / 2]
      context.drawImage(tile.sheet, tile.left, tile.top, tile.side, tile.side, l, t, side, side)
      drawn++
      if (scene.groups.length < 2) continue
      // A thumbnail covers the bars of those before it.
      bars.clearRect(l, t, side, side)
      bars.fillStyle = css(scene.groups[scene.groupOf[row]].colour)
      bars.fillRect(l, t + side, side, bar)
    }
    context.globalAlpha = bars.globalAlpha = 1
    return drawn > 0
  }

  private paintGrid(scene: Scene): boolean {
    if (!scene.grid) return false
    this.clear('grid')
    return scene.grid.draw(this.contexts.grid, scene.view, this.size, scene.look, scene.still)
  }

  private paintMarks(scene: Scene): void {
    this.clear('marks')
    const context = this.contexts.marks
    const style = getComputedStyle(this.layers.marks)
    const colour = (name: string) => style.getPropertyValue(`--${name}`)
    if (scene.plane.p) this.square(context, scene.view, colour('quiet'))
    else if (scene.circles) this.circles(context, scene.view, colour('hair-strong'))
    const left = this.axes(context, scene, colour('quiet'), colour('hair'), colour('background'))
    // A mark out of view must not be drawn over the axes.
    context.save()
    context.beginPath()
    context.rect(left, 0, this.size.width - left, this.size.height - BOTTOM)
    context.clip()
    for (const mark of scene.marks) this.mark(context, scene.view, mark, colour('accent'), colour('background'))
    context.restore()
  }

  private square(context: CanvasRenderingContext2D, view: View, colour: string): void {
    const [left, bottom] = toScreen(view, this.size, 0, 0)
    const [right, top] = toScreen(view, this.size, 1, 1)
    context.strokeStyle = colour
    context.lineWidth = 1
    context.strokeRect(Math.round(left) - 0.5, Math.round(top) - 0.5, Math.round(right - left) + 1, Math.round(bottom - top) + 1)
  }

  private circles(context: CanvasRenderingContext2D, view: View, colour: string): void {
    const [x, y] = toScreen(view, this.size, 0, 0)
    context.strokeStyle = colour
    context.lineWidth = 1
    for (const radius of [1, 2]) {
      context.beginPath()
      context.arc(x, y, radius * view.scale, 0, 2 * Math.PI)
      context.stroke()
    }
  }

  private axes(context: CanvasRenderingContext2D, scene: Scene, foreground: string, hair: string, background: string): number {
    const { width, height } = this.size
    context.font = `11px ${getComputedStyle(this.layers.marks).fontFamily}`
    const { axisNames, view, plane } = scene
    const widthOf = (text: string) => context.measureText(text).width
    const { left, xAxis, yAxis, names } = axesOf(view, this.size, axisNames, plane.p, widthOf)
    // Opaque: labels are not readable over images.
    context.fillStyle = background
    context.fillRect(0, height - BOTTOM, width, BOTTOM)
    context.fillRect(0, 0, left, height - BOTTOM)
    context.strokeStyle = hair
    context.beginPath()
    context.moveTo(left + 0.5, 0)
    context.lineTo(left + 0.5, height - BOTTOM + 0.5)
    context.lineTo(width, height - BOTTOM + 0.5)
    context.stroke()
    context.fillStyle = foreground
    const write = (text: string, x: number, y: number, align: CanvasTextAlign) => {
      context.textAlign = align
      context.textBaseline = 'middle'
      if (text) context.fillText(text, x, y)
    }
    for (const { at, text } of xAxis) {
      context.fillRect(Math.round(at), height - BOTTOM, 1, 4)
      write(text, at, height - BOTTOM / 2 + 1, 'center')
    }
    write(axisNames[0], width - 8, height - BOTTOM / 2 + 1, 'right')
    for (const { at, text } of yAxis) {
      context.fillRect(left - 4, Math.round(at), 4, 1)
      write(text, left - 7, at, 'right')
    }
    context.fillStyle = background
    context.fillRect(4, 4, names[1] + 8, 18)
    context.fillStyle = foreground
    write(axisNames[1], 8, 14, 'left')
    return left
  }

  private mark(context: CanvasRenderingContext2D, view: View, mark: Mark, accent: string, background: string): void {
    const [x, y] = toScreen(view, this.size, ...mark.point)
    const ring = (radius: number, width: number, colour: string) => {
      context.beginPath()
      context.arc(x, y, radius, 0, 2 * Math.PI)
      context.strokeStyle = colour
      context.lineWidth = width
      context.stroke()
    }
    if (mark.kind === 'ghost') {
      context.setLineDash([3, 3])
      ring(9, 2, accent)
      context.setLineDash([])
    } else {
      ring(mark.kind === 'item' ? 5 : 3.5, 3, background)
      ring(mark.kind === 'item' ? 5 : 3.5, 1.5, accent)
    }
  }
}

/** Squares of one side that do not overlap. */
class Spacing {
  private readonly taken = new Map<string, [number, number][]>()

  constructor(private readonly side: number) {}

  at(x: number, y: number): boolean {
    const [i, j] = [Math.floor(x / this.side), Math.floor(y / this.side)]
    for (let dj = -1; dj <= 1; dj++)
      for (let di = -1; di <= 1; di++)
        for (const [tx, ty] of this.taken.get(`${i + di}:${j + dj}`) ?? [])
          if (Math.abs(tx - x) < this.side && Math.abs(ty - y) < this.side) return false
    return true
  }

  take(x: number, y: number): void {
    const key = `${Math.floor(x / this.side)}:${Math.floor(y / this.side)}`
    const there = this.taken.get(key)
    if (there) there.push([x, y])
    else this.taken.set(key, [[x, y]])
  }
}

const smooth = (t: number): number => {
  const u = Math.min(Math.max(t, 0), 1)
  return u * u * (3 - 2 * u)
}

const easeOut = (t: number): number => 1 - (1 - t) ** 3
