/** Searches the images nearest to the newest latent in a worker; latents in between are skipped. */

import { host } from '../host/host'
import type { SearchAnswer, SearchRequest } from '../worker/search.worker'
import { reason } from './site'
import type { Wardrobe } from './wardrobe'

export interface Found {
  z: Float32Array
  rows: Uint32Array
  distances: Float32Array
}

const NEAREST = 6

export class Search {
  private worker: Worker | null = null
  private wanted: Float32Array | null = null
  private under: Float32Array | null = null
  private id = 0

  constructor(
    private readonly onFound: (found: Found) => void,
    private readonly onTrouble: (why: string) => void,
  ) {}

  /** Send the worker its own copy of the latents. */
  load(wardrobe: Wardrobe): void {
    try {
      this.worker = host.searchWorker()
    } catch (error) {
      this.onTrouble(reason(error))
      return
    }
    this.worker.onmessage = ({ data }: MessageEvent<SearchAnswer>) => {
      if (data.id === this.id && this.under) this.onFound({ z: this.under, rows: data.rows, distances: data.distances })
      this.under = null
      this.pump()
    }
    this.worker.onerror = (event) => this.onTrouble(event.message)
    this.send({ kind: 'load', latents: wardrobe.latents, n: wardrobe.n, d: wardrobe.d })
  }

  nearest(z: Float32Array): void {
    this.wanted = z
    this.pump()
  }

  private pump(): void {
    if (!this.worker || this.under || !this.wanted) return
    this.under = this.wanted
    this.wanted = null
    this.send({ kind: 'nearest', id: ++this.id, z: this.under, k: NEAREST })
  }

  private send(request: SearchRequest): void {
    this.worker?.postMessage(request)
  }
}
