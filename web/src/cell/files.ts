/** Files from the kernel, in parts: asked for once, and kept, so that a view that comes later needs no kernel. */

/** What anywidget gives: the model that the kernel has too. */
export interface Model {
  get(name: string): unknown
  set(name: string, value: unknown): void
  save_changes(): void
  send(message: unknown): void
  on(event: string, use: (...given: never[]) => void): void
  off(event: string, use: (...given: never[]) => void): void
}

/** What the kernel says (publish/widget.py); the bytes of a part are beside it. */
type FromKernel =
  | { kind: 'part'; id: string; total: number; last: boolean }
  | { kind: 'missing'; id: string; why: string }

export interface Asker {
  part(bytes: Uint8Array<ArrayBuffer>, total: number, last: boolean): void
  missing(why: string): void
}

/** Bytes of files kept of one explorer. */
const ROOM = 64_000_000

export class Files {
  // Several browsers may have the same model, and each hears what was sent to all.
  private readonly mine = Math.random().toString(36).slice(2)
  private next = 1
  private readonly asked = new Map<string, { path: string; asker: Asker; parts: Uint8Array<ArrayBuffer>[] }>()
  private readonly kept = new Map<string, Uint8Array<ArrayBuffer>[]>()
  private bytes = 0

  constructor(private readonly model: Model) {
    model.on('msg:custom', (message: FromKernel, buffers: DataView[]) => this.heard(message, buffers))
  }

  /** Ask for a file; returns what makes the answer nobody's. */
  get(path: string, asker: Asker): () => void {
    const kept = this.kept.get(path)
    if (kept) {
      const total = kept.reduce((sum, part) => sum + part.length, 0)
      kept.forEach((part, k) => asker.part(part.slice(), total, k === kept.length - 1))
      return () => {}
    }
    const id = `${this.mine} ${this.next++}`
    this.asked.set(id, { path, asker, parts: [] })
    try {
      this.model.send({ kind: 'get', id, path })
    } catch (error) {
      // A kernel that was restarted knows nothing of this explorer any more.
      this.asked.delete(id)
      asker.missing(error instanceof Error ? error.message : String(error))
    }
    return () => this.asked.delete(id)
  }

  private heard(message: FromKernel, buffers: DataView[]): void {
    const asked = this.asked.get(message.id)
    if (!asked) return
    if (message.kind === 'missing') {
      this.asked.delete(message.id)
      asked.asker.missing(message.why)
      return
    }
    const view = buffers[0]
    const bytes = view ? new Uint8Array(view.buffer, view.byteOffset, view.byteLength).slice() : new Uint8Array(0)
    asked.parts.push(bytes)
    if (message.last) {
      this.asked.delete(message.id)
      this.keep(asked.path, asked.parts, message.total)
    }
    asked.asker.part(bytes.slice(), message.total, message.last)
  }

  private keep(path: string, parts: Uint8Array<ArrayBuffer>[], total: number): void {
    if (this.kept.has(path) || this.bytes + total > ROOM) return
    this.bytes += total
    this.kept.set(path, parts)
  }
}
