/** The model: one image at a time for the pointer, batches in the background for everything else. */

import { host } from '../host/host'
import { readFile, reason, SiteError, type Manifest } from './site'
import type { Answer, Request } from '../worker/protocol'

export type Picture = Uint8ClampedArray<ArrayBuffer>
export interface Placed {
  z: Float32Array
  picture: Picture
  error: number
}

/** Most milliseconds of a background request, which the pointer may have to wait for. */
const BACKGROUND_MS = 8
const LARGEST_BATCH = 16

export class Model {
  readonly pixels: number
  /** Milliseconds per image, smoothed. */
  pictureMs = 8
  private readonly worker: Worker
  private readonly pending = new Map<number, { done: (answer: Answer) => void; failed: (error: Error) => void }>()
  private next = 1
  /** Why the worker has stopped. */
  private stopped: Error | null = null
  private busy = false
  private wanted: { z: Float32Array; show: (picture: Picture) => void } | null = null
  private readonly background: Job[] = []
  private encoder: Promise<void> | null = null
  /** Called when an image could not be decoded. */
  onFailure: (why: string) => void = () => {}

  private constructor(private readonly manifest: Manifest) {
    this.pixels = manifest.image.height * manifest.image.width
    this.worker = host.modelWorker()
    this.worker.onmessage = ({ data }: MessageEvent<Answer>) => this.answered(data)
    this.worker.onerror = (event) => {
      event.preventDefault()
      this.stopped = new Error(event.message || 'the worker stopped')
      for (const { failed } of this.pending.values()) failed(this.stopped)
      this.pending.clear()
    }
  }

  /** Fetch engine and decoder, and start them. */
  static async open(manifest: Manifest, onBytes: (part: 'engine' | 'decoder', loaded: number, total: number) => void) {
    if (typeof WebAssembly !== 'object') throw new SiteError('noWebAssembly')
    const entry = manifest.files.decoder
    if (!entry) throw new SiteError('modelFailed', { why: 'decoder.onnx' })
    // The worker first: it starts while the files are loading.
    const model = new Model(manifest)
    try {
      const [decoder, engine] = await Promise.all([
        readFile(entry, (loaded) => onBytes('decoder', loaded, entry.bytes), true),
        readEngine((loaded, total) => onBytes('engine', loaded, total)),
      ])
      const { image, latent } = manifest
      const message = { kind: 'load', engine, decoder, d: latent.dimensions, image: { ...image } } as const
      await model.ask(message, [engine, decoder])
    } catch (error) {
      model.worker.terminate()
      throw error instanceof SiteError ? error : new SiteError('engineFailed', { why: reason(error) })
    }
    return model
  }

  /** Decode z as soon as possible; a later call replaces one that is still waiting. */
  live(z: Float32Array, show: (picture: Picture) => void): void {
    this.wanted = { z, show }
    this.pump()
  }

  /** Decode many latents when nothing more urgent is waiting, and show each image when it is ready. */
  many(zs: Float32Array[], show: (picture: Picture, index: number) => void, signal?: AbortSignal): void {
    if (zs.length > 0) this.background.push({ zs, show, done: 0, signal })
    this.pump()
  }

  /** Decode one latent when nothing more urgent is waiting. */
  picture(z: Float32Array): Promise<Picture> {
    return new Promise((resolve) => this.many([z], resolve))
  }

  /** Encode an image, planar in [0, 1]. */
  async place(x: Float32Array): Promise<Placed> {
    this.encoder ??= this.openEncoder()
    try {
      await this.encoder
    } catch (error) {
      this.encoder = null // so that another try loads it again
      throw error
    }
    const answer = await this.ask({ kind: 'place', x })
    if (answer.kind !== 'placed') throw new Error(answer.kind)
    return { z: answer.z, picture: answer.rgba, error: answer.error }
  }

  private async openEncoder(): Promise<void> {
    const entry = this.manifest.files.encoder
    if (!entry) throw new SiteError('missingFile', { path: 'encoder.onnx', why: '404' })
    const encoder = await readFile(entry, undefined, true)
    await this.ask({ kind: 'encoder', encoder }, [encoder])
  }

  private pump(): void {
    if (this.busy) return
    if (this.wanted) {
      const { z, show } = this.wanted
      this.wanted = null
      void this.run(z, (rgba) => show(rgba))
      return
    }
    while (this.background.length > 0 && this.background[0].signal?.aborted) this.background.shift()
    const job = this.background[0]
    if (!job) return
    const room = Math.floor(BACKGROUND_MS / this.pictureMs)
    const count = Math.min(job.zs.length - job.done, Math.max(1, Math.min(LARGEST_BATCH, room)))
    const part = job.zs.slice(job.done, job.done + count)
    const z = new Float32Array(count * part[0].length)
    part.forEach((one, i) => z.set(one, i * one.length))
    const first = job.done
    job.done += count
    if (job.done === job.zs.length) this.background.shift()
    void this.run(z, (rgba) => {
      if (job.signal?.aborted) return
      const bytes = this.pixels * 4
      for (let i = 0; i < count; i++) job.show(rgba.slice(i * bytes, (i + 1) * bytes), first + i)
    })
  }

  private async run(z: Float32Array, use: (rgba: Picture) => void): Promise<void> {
    this.busy = true
    try {
      const d = this.manifest.latent.dimensions
      const answer = await this.ask({ kind: 'decode', z, d })
      if (answer.kind !== 'pictures') return
      this.pictureMs += 0.2 * (answer.ms / (z.length / d) - this.pictureMs)
      use(answer.rgba)
    } catch (error) {
      this.onFailure(reason(error))
    } finally {
      this.busy = false
      this.pump()
    }
  }

  private ask(message: Omitted<Request>, transfer: Transferable[] = []): Promise<Answer> {
    if (this.stopped) return Promise.reject(this.stopped)
    const id = this.next++
    return new Promise((done, failed) => {
      this.pending.set(id, { done, failed })
      this.worker.postMessage({ ...message, id }, transfer)
    })
  }

  private answered(answer: Answer): void {
    const waiting = this.pending.get(answer.id)
    this.pending.delete(answer.id)
    if (answer.kind === 'failed') waiting?.failed(new Error(answer.why))
    else waiting?.done(answer)
  }
}

interface Job {
  zs: Float32Array[]
  show: (picture: Picture, index: number) => void
  done: number
  signal?: AbortSignal
}

type Omitted<T> = T extends unknown ? Omit<T, 'id'> : never

async function readEngine(onBytes: (loaded: number, total: number) => void): Promise<ArrayBuffer> {
  try {
    const answer = await host.engine()
    if (!answer.ok || !answer.body) throw new Error(`HTTP ${answer.status}`)
    const total = Number(answer.headers.get('content-length') ?? 0)
    const parts: Uint8Array<ArrayBuffer>[] = []
    let loaded = 0
    const reader = answer.body.getReader()
    for (;;) {
      const { done, value } = await reader.read()
      if (done) break
      parts.push(value)
      loaded += value.length
      // A compressed response has its compressed length: the total is then an estimate.
      onBytes(loaded, Math.max(total, loaded))
    }
    return await new Blob(parts).arrayBuffer()
  } catch (error) {
    throw new SiteError('engineFailed', { why: reason(error) })
  }
}
