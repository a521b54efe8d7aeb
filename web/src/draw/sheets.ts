/** Thumbnails of real images, fetched a sheet at a time when they are first wanted. */

import { readFile, SiteError, type Manifest, type Sheets } from '../lib/site'

/** Bytes of sheets kept decoded at once. */
const ROOM = 128_000_000

export interface Tile {
  sheet: ImageBitmap
  left: number
  top: number
  side: number
}

export class Thumbnails {
  private readonly sheets: Sheets | null
  private readonly kept = new Map<number, ImageBitmap>()
  private readonly loading = new Set<number>()
  private failed = false
  /** Called when a sheet has come. */
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

  /** The thumbnail of an image, or null while its sheet is on the way. */
  tile(row: number): Tile | null {
    const tiles = this.tiles()
    if (!this.sheets || !tiles) return null
    const { columns, per_sheet, side } = this.sheets
    const number = Math.floor(tiles[row] / per_sheet)
    const within = tiles[row] % per_sheet
    const sheet = this.kept.get(number)
    if (!sheet) {
      void this.load(number)
      return null
    }
    return { sheet, left: (within % columns) * side, top: Math.floor(within / columns) * side, side }
  }

  /** The sheets used in this picture of the map come last to be thrown away. */
  touch(row: number): void {
    const tiles = this.tiles()
    if (!this.sheets || !tiles) return
    const number = Math.floor(tiles[row] / this.sheets.per_sheet)
    const sheet = this.kept.get(number)
    if (!sheet) return
    this.kept.delete(number)
    this.kept.set(number, sheet)
  }

  private async load(number: number): Promise<void> {
    const entry = this.sheets?.files[number]
    if (!entry || this.loading.has(number) || this.failed) return
    this.loading.add(number)
    try {
      const bytes = await readFile(entry)
      // As the bytes are: no colour management, which Python does not do either.
      const options = { colorSpaceConversion: 'none', premultiplyAlpha: 'none' } as const
      this.kept.set(number, await createImageBitmap(new Blob([bytes], { type: 'image/jpeg' }), options))
      const bytesEach = 4 * (this.sheets!.columns * this.sheets!.side) ** 2
      for (const [oldest, bitmap] of this.kept) {
        if (this.kept.size * bytesEach <= ROOM) break
        this.kept.delete(oldest)
        bitmap.close()
      }
      this.onSheet()
    } catch (error) {
      this.failed = true // told once: the same would be said of each
      this.onFailure(error instanceof SiteError ? error : new SiteError('sheetFailed', { why: String(error) }))
    } finally {
      this.loading.delete(number)
    }
  }
}
