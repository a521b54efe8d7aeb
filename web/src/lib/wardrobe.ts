/** The images shown: latents, labels, splits, attributes and names. */

import { readFile, type FileName, type Manifest } from './site'

export class Wardrobe {
  readonly n: number
  readonly d: number
  /** Posterior means, n x d; rows up to `loaded` have come. */
  latents: Float32Array
  loaded = 0
  labels: Int16Array
  splits: Uint8Array
  /** 1 has it, -1 lacks it, 0 unknown; one row of n an attribute. */
  attributes: Int8Array
  axes: Float32Array
  directions: Float32Array
  tiles: Uint32Array | null = null
  ids: string[] = []

  constructor(readonly manifest: Manifest) {
    this.n = manifest.data.shown
    this.d = manifest.latent.dimensions
    this.latents = new Float32Array(this.n * this.d)
    this.labels = new Int16Array(this.n).fill(-1)
    this.splits = new Uint8Array(this.n)
    this.attributes = new Int8Array(manifest.data.attributes.length * this.n)
    this.axes = new Float32Array(manifest.axes.length * this.d)
    this.directions = new Float32Array(manifest.directions.length * this.d)
  }

  /** Read the colours and the plane: what no point can be placed or coloured without. */
  async loadSmall(): Promise<void> {
    await Promise.all([
      this.read('labels', (buffer) => (this.labels = new Int16Array(buffer))),
      this.read('splits', (buffer) => (this.splits = new Uint8Array(buffer))),
      this.read('attributes', (buffer) => (this.attributes = new Int8Array(buffer))),
      this.read('axes', (buffer) => (this.axes = new Float32Array(buffer))),
      this.read('directions', (buffer) => (this.directions = new Float32Array(buffer))),
    ])
  }

  /** Read the latents, after all of `loadSmall`; `onRows` is called as rows come, `onBytes` with the progress. */
  async loadLatents(onRows: () => void, onBytes: (loaded: number, total: number) => void): Promise<void> {
    const entry = this.manifest.files.latents!
    const row = 4 * this.d
    await readFile(entry, (loaded, buffer) => {
      if (this.latents.buffer !== buffer) this.latents = new Float32Array(buffer)
      this.loaded = Math.floor(loaded / row)
      onBytes(loaded, entry.bytes)
      onRows()
    })
    this.loaded = this.n
    onRows()
  }

  /** Read what thumbnails and names need; later than all else. */
  async loadRest(): Promise<void> {
    await this.read('tiles', (buffer) => (this.tiles = new Uint32Array(buffer)))
    await this.read('ids', (buffer) => (this.ids = JSON.parse(new TextDecoder().decode(buffer))))
  }

  /** The latent of an image. */
  place(row: number): Float32Array {
    return this.latents.slice(row * this.d, (row + 1) * this.d)
  }

  axis(k: number): Float32Array {
    return this.axes.subarray(k * this.d, (k + 1) * this.d)
  }

  direction(k: number): Float32Array {
    return this.directions.subarray(k * this.d, (k + 1) * this.d)
  }

  get mean(): Float32Array {
    return Float32Array.from(this.manifest.latent.mean)
  }

  /** The class of an image by its name, "" where it is unknown. */
  className(row: number): string {
    const label = this.labels[row]
    return label < 0 ? '' : (this.manifest.data.classes[label]?.name ?? String(label))
  }

  private async read(name: FileName, use: (buffer: ArrayBuffer) => void): Promise<void> {
    const entry = this.manifest.files[name]
    if (entry) use(await readFile(entry))
  }
}
