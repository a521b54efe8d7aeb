/** Files from the kernel, in parts: requested once and cached, so that a later view needs no kernel. */

/** The model that anywidget shares with the kernel. */
export interface Model {
  get(name: string): unknown
  set(name: string, value: unknown): void
  save_changes(): void
  send(message: unknown): void
  on(event: string, use: (...given: never[]) => void): void
  off(event: string, use: (...given: never[]) => void): void
}

/** A message of the kernel (publish/widget.py); the bytes of a part come as its buffer. */
type FromKernel =
  | { kind: 'part'; id: string; total: number; last: boolean }
  | { kind: 'missing'; id: string; why: string }

export interface Asker {
  part(bytes: Uint8Array<ArrayBuffer>, total: number, last: boolean): void
  missing(why: string): void
}

/** Most bytes of files cached for one explorer. */
const ROOM = 64_000_000

export class Files {
  // Several browsers may share a model, and each receives what was sent to all.
  private readonly mine = Math.random().toString(36).slice(2)
  private next = 1
  private readonly pending = new Map<string, { path: string; asker: Asker; parts: Uint8Array<ArrayBuffer>[] }>()
  private readonly cached = new Map<string, Uint8Array<ArrayBuffer>[]>()
  private bytes = 0

  constructor(private readonly model: Model) {
    model.on('msg:custom', (message: FromKernel, buffers: DataView[]) => this.heard(message, buffers))
  }

  /** Request a file; returns a function that ignores the answer. */
  get(path: string, asker: Asker): () => void {
    const cached = this.cached.get(path)
    if (cached) {
      const total = cached.reduce((sum, part) => sum + part.length, 0)
      cached.forEach((part, k) => asker.part(part.slice(), total, k === cached.length - 1))
      return () => {}
    }
    const id = `${this.mine} ${this.next++}`
    this.pending.set(id, { path, asker, parts: [] })
    try {
      this.model.send({ kind: 'get', id, path })
    } catch (error) {
      // After a restart the kernel no longer has this explorer.
      this.pending.delete(id)
      asker.missing(error instanceof Error ? error.message : String(error))
    }
    return () => this.pending.delete(id)
  }

  private heard(message: FromKernel, buffers: DataView[]): void {
    const request = this.pending.get(message.id)
    if (!request) return
    if (message.kind === 'missing') {
      this.pending.delete(message.id)
      request.asker.missing(message.why)
      return
    }
    const view = buffers[0]
    const bytes = view ? new Uint8Array(view.buffer, view.byteOffset, view.byteLength).slice() : new Uint8Array(0)
    request.parts.push(bytes)
    if (message.last) {
      this.pending.delete(message.id)
      this.keep(request.path, request.parts, message.total)
    }
    request.asker.part(bytes.slice(), message.total, message.last)
  }

  private keep(path: string, parts: Uint8Array<ArrayBuffer>[], total: number): void {
    if (this.cached.has(path) || this.bytes + total > ROOM) return
    this.bytes += total
    this.cached.set(path, parts)
  }
}
