/** Thumbnails of real images; a sheet is fetched when first needed. */

import { readFile, SiteError, type Manifest, type Sheets } from '../lib/site'

/** Most bytes of decoded sheets in memory. */
const ROOM = 128_000_000

export interface Tile {
  sheet: ImageBitmap
  left: number
  top: number
  side: number
}

export class Thumbnails {
  private readonly sheets: Sheets | null
  private readonly loaded = new Map<number, ImageBitmap>()
  private readonly loading = new Set<number>()
  private failed = false
  /** Called when a sheet was loaded. */
  onSheet: () => void = () => {}
  onFailure: (error: SiteError) => void = () => {}

  constructor(
    manifest: Manifest,
    private readonly tiles: () => Uint32Array | null,
  ) {
    this.sheets = manifest.sheets
  }

  get side(): number {
    return this.sheets?.side ?? 0
  }

  get available(): boolean {
    return this.sheets !== null && this.tiles() !== null && !this.failed
  }

  /** The thumbnail of an image, or null until its sheet is loaded. */
  tile(row: number): Tile | null {
    const tiles = this.tiles()
    if (!this.sheets || !tiles) return null
    const { columns, per_sheet, side } = this.sheets
    const number = Math.floor(tiles[row] / per_sheet)
    const within = tiles[row] % per_sheet
    const sheet = this.loaded.get(number)
    if (!sheet) {
      void this.load(number)
      return null
    }
    return { sheet, left: (within % columns) * side, top: Math.floor(within / columns) * side, side }
  }

  /** Mark a sheet as used: the least recently used is dropped first. */
  touch(row: number): void {
    const tiles = this.tiles()
    if (!this.sheets || !tiles) return
    const number = Math.floor(tiles[row] / this.sheets.per_sheet)
    const sheet = this.loaded.get(number)
    if (!sheet) return
    this.loaded.delete(number)
    this.loaded.set(number, sheet)
  }

  private async load(number: number): Promise<void> {
    const entry = this.sheets?.files[number]
    if (!entry || this.loading.has(number) || this.failed) return
    this.loading.add(number)
    try {
      const bytes = await readFile(entry)
      // Without colour management, as in Python.
      const options = { colorSpaceConversion: 'none', premultiplyAlpha: 'none' } as const
      this.loaded.set(number, await createImageBitmap(new Blob([bytes], { type: 'image/jpeg' }), options))
      const bytesEach = 4 * (this.sheets!.columns * this.sheets!.side) ** 2
      for (const [oldest, bitmap] of this.loaded) {
        if (this.loaded.size * bytesEach <= ROOM) break
        this.loaded.delete(oldest)
        bitmap.close()
      }
      this.onSheet()
    } catch (error) {
      this.failed = true // report only the first failure
      this.onFailure(error instanceof SiteError ? error : new SiteError('sheetFailed', { why: String(error) }))
    } finally {
      this.loading.delete(number)
    }
  }
}
