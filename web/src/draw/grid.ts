/** The decoded grid: images decoded at the tiles of a grid over the map, coarse first, finer where visible. */

import type { Model, Picture } from '../lib/model'
import { toPlane, toScreen, type Size, type View } from '../lib/view'

/** Least CSS pixels of a tile of the finest level, per pixel of the image; at most twice as many. */
const finestFor = (width: number): number => Math.min(Math.max(36, 0.75 * width), 64)
const FADE_MS = 150
/** Coarser levels that are decoded first. */
const COARSER = 3
/** Most bytes of decoded tiles in memory. */
const ROOM = 32_000_000

interface TileOf {
  slot: number
  born: number
}

export interface GridPlane {
  /** The latent at a point of the map. */
  place(x: number, y: number): Float32Array
  /** Limited to the unit square (p = Phi(z)). */
  unit: boolean
}

export class DecodedGrid {
  private readonly atlas: HTMLCanvasElement
  private readonly context: CanvasRenderingContext2D
  private readonly columns: number
  private readonly slots: number
  private readonly tiles = new Map<string, TileOf>()
  private readonly asked = new Set<string>()
  private abort = new AbortController()
  private plane: GridPlane | null = null
  private wanted = ''
  onTile: () => void = () => {}

  constructor(
    private readonly model: Model,
    private readonly width: number,
    private readonly height: number,
  ) {
    this.columns = Math.max(1, Math.floor(2048 / width))
    const rows = Math.max(1, Math.floor(2048 / height))
    this.slots = Math.min(this.columns * rows, Math.floor(ROOM / (4 * width * height)))
    this.atlas = document.createElement('canvas')
    this.atlas.width = this.columns * width
    this.atlas.height = Math.ceil(this.slots / this.columns) * height
    const context = this.atlas.getContext('2d')
    if (!context) throw new Error('no 2d canvas')
    this.context = context
  }

  /** Another plane: drop all tiles. */
  reset(plane: GridPlane): void {
    this.plane = plane
    this.stop()
    this.tiles.clear()
  }

  /** Stop requesting tiles. */
  stop(): void {
    this.abort.abort()
    this.abort = new AbortController()
    this.asked.clear()
    this.wanted = ''
  }

  /** Draw the decoded tiles and request the missing ones; true while tiles fade in. */
  draw(context: CanvasRenderingContext2D, view: View, size: Size, look: [number, number], still: boolean): boolean {
    // No tile is larger than the unit square.
    const coarsest = this.plane?.unit ? 0 : -Infinity
    const finest = Math.max(Math.floor(Math.log2(view.scale / finestFor(this.width))), coarsest)
    const now = performance.now()
    let fading = false
    const missing: { key: string; x: number; y: number; level: number; away: number }[] = []
    for (let level = Math.max(finest - COARSER, coarsest); level <= finest; level++) {
      const cell = 2 ** -level
      // Enlarged images have square pixels; reduced ones are smoothed.
      context.imageSmoothingEnabled = cell * view.scale * (globalThis.devicePixelRatio || 1) < this.width
      for (const [i, j] of this.cells(view, size, cell)) {
        const key = `${level}:${i}:${j}`
        const tile = this.tiles.get(key)
        const [x, y] = [(i + 0.5) * cell, (j + 0.5) * cell]
        if (!tile) {
          missing.push({ key, x, y, level, away: Math.hypot(x - look[0], y - look[1]) })
          continue
        }
        // The least recently used are dropped first.
        this.tiles.delete(key)
        this.tiles.set(key, tile)
        const age = still ? 1 : Math.min(1, (now - tile.born) / FADE_MS)
        fading ||= age < 1
        this.lay(context, view, size, i * cell, j * cell, cell, tile.slot, age)
      }
    }
    context.globalAlpha = 1
    missing.sort((a, b) => a.level - b.level || a.away - b.away)
    this.ask(missing)
    return fading
  }

  private *cells(view: View, size: Size, cell: number): Generator<[number, number]> {
    let [left, top] = toPlane(view, size, 0, 0)
    let [right, bottom] = toPlane(view, size, size.width, size.height)
    if (this.plane?.unit) {
      ;[left, bottom] = [Math.max(left, 0), Math.max(bottom, 0)]
      ;[right, top] = [Math.min(right, 1), Math.min(top, 1)]
    }
    // A tile that only touches the border is not visible.
    const shy = 1e-9
    for (let j = Math.floor(bottom / cell); j * cell < top - shy; j++)
      for (let i = Math.floor(left / cell); i * cell < right - shy; i++) yield [i, j]
  }

  private lay(
    context: CanvasRenderingContext2D,
    view: View,
    size: Size,
    x: number,
    y: number,
    cell: number,
    slot: number,
    alpha: number,
  ): void {
    const [left, bottom] = toScreen(view, size, x, y)
    const [right, top] = toScreen(view, size, x + cell, y + cell)
    context.globalAlpha = alpha
    const [column, row] = [slot % this.columns, Math.floor(slot / this.columns)]
    // Rounded to whole pixels, so that no seams show between tiles.
    const [l, t, r, b] = [Math.round(left), Math.round(top), Math.round(right), Math.round(bottom)]
    context.drawImage(
      this.atlas,
      column * this.width,
      row * this.height,
      this.width,
      this.height,
      l,
      t,
      Math.max(1, r - l),
      Math.max(1, b - t),
    )
  }

  private ask(missing: { key: string; x: number; y: number }[]): void {
    const plane = this.plane
    // No more than there is room for.
    const fresh = missing.slice(0, Math.floor(this.slots * 0.8))
    const signature = fresh.map((tile) => tile.key).join()
    if (!plane || signature === this.wanted || fresh.every((tile) => this.asked.has(tile.key))) return
    this.abort.abort()
    this.abort = new AbortController()
    this.asked.clear()
    this.wanted = signature
    for (const tile of fresh) this.asked.add(tile.key)
    this.model.many(
      fresh.map((tile) => plane.place(tile.x, tile.y)),
      (picture, index) => this.keep(fresh[index].key, picture),
      this.abort.signal,
    )
  }

  private keep(key: string, picture: Picture): void {
    let slot = this.tiles.size
    if (slot >= this.slots) {
      const [oldest, tile] = this.tiles.entries().next().value as [string, TileOf]
      this.tiles.delete(oldest)
      slot = tile.slot
    }
    const image = new ImageData(picture, this.width, this.height)
    this.context.putImageData(image, (slot % this.columns) * this.width, Math.floor(slot / this.columns) * this.height)
    this.tiles.set(key, { slot, born: performance.now() })
    this.asked.delete(key)
    this.onTile()
  }
}
