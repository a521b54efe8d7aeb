/** The host of an explorer in a cell of a notebook: all data come through a port from the widget around the frame. */

import { equal, HELLO, type FromCell, type ToCell, type Welcome } from '../cell/protocol'
import ModelWorker from '../worker/model.worker?worker&inline'
import SearchWorker from '../worker/search.worker?worker&inline'
import type { Host } from './host'

/** Connect to the widget and return its host. */
export function enter(): Promise<Host> {
  return new Promise((resolve) => {
    addEventListener('message', function come(event: MessageEvent<Welcome>) {
      if (event.source !== parent || !event.ports[0]) return
      removeEventListener('message', come)
      resolve(new Cell(event.data, event.ports[0]))
    })
    parent.postMessage(HELLO, '*')
  })
}

/** A file that is being received. */
interface Coming {
  answer: (response: Response) => void
  failed: (error: Error) => void
  body: ReadableStreamDefaultController<Uint8Array> | null
}

class Cell implements Host {
  readonly again = 'runAgain'
  readonly storesPins = true
  readonly room = 1000 // as many as Python accepts (publish/widget.py)
  private readonly coming = new Map<number, Coming>()
  private next = 1
  private text: string
  private choices: Readonly<Record<string, string>>
  private dark: boolean
  /** The pinned latents as last sent to or received from Python. */
  private synced: ArrayBuffer
  private pinned: readonly Float32Array[] = []
  private useDark: (dark: boolean) => void = () => {}
  private usePins: (places: ArrayBuffer) => void = () => {}

  constructor(
    welcome: Welcome,
    private readonly port: MessagePort,
  ) {
    this.text = welcome.address
    this.choices = welcome.choices
    this.dark = welcome.dark
    this.synced = welcome.pinned
    port.onmessage = ({ data }: MessageEvent<ToCell>) => this.heard(data)
  }

  data(path: string): Promise<Response> {
    return this.get(`data/${path}`)
  }

  engine(): Promise<Response> {
    return this.get('engine')
  }

  modelWorker(): Worker {
    return new ModelWorker()
  }

  searchWorker(): Worker {
    return new SearchWorker()
  }

  address(): string {
    return this.text
  }

  keepAddress(text: string): void {
    if (text === this.text) return
    this.text = text
    this.say({ kind: 'address', text })
  }

  // Another view of the same explorer may show another part of the map.
  onAddress(): void {}

  // A link cannot lead to a cell.
  link(): null {
    return null
  }

  watchDark(use: (dark: boolean) => void): void {
    this.useDark = use
    use(this.dark)
  }

  chosen(name: string): string | null {
    return this.choices[name] ?? null
  }

  choose(name: string, value: string): void {
    if (value === this.choices[name]) return
    this.choices = { ...this.choices, [name]: value }
    this.say({ kind: 'choice', name, value })
  }

  save(blob: Blob, name: string): void {
    this.say({ kind: 'save', blob, name })
  }

  pins(d: number): Float32Array[] {
    return apart(this.synced, d)
  }

  storePins(places: readonly Float32Array[]): void {
    // A decoded image changes the pins, but not their latents.
    if (places.length === this.pinned.length && places.every((z, k) => z === this.pinned[k])) return
    this.pinned = places
    const bytes = joined(places)
    if (equal(bytes, this.synced)) return
    this.synced = bytes
    this.say({ kind: 'pinned', places: bytes })
  }

  onPins(d: number, use: (places: Float32Array[]) => void): void {
    this.usePins = (places) => use(apart(places, d))
  }

  private get(path: string): Promise<Response> {
    const id = this.next++
    return new Promise((answer, failed) => {
      this.coming.set(id, { answer, failed, body: null })
      this.say({ kind: 'get', id, path })
    })
  }

  private say(message: FromCell): void {
    this.port.postMessage(message)
  }

  private heard(message: ToCell): void {
    if (message.kind === 'part') this.part(message)
    else if (message.kind === 'missing') {
      const { failed, body } = this.coming.get(message.id) ?? {}
      this.coming.delete(message.id)
      const error = new Error(message.why)
      body?.error(error)
      failed?.(error)
    } else if (message.kind === 'dark') {
      this.dark = message.dark
      this.useDark(message.dark)
    } else {
      this.synced = message.places
      this.usePins(message.places)
    }
  }

  private part({ id, bytes, total, last }: Extract<ToCell, { kind: 'part' }>): void {
    const coming = this.coming.get(id)
    if (!coming) return
    if (!coming.body) {
      const stream = new ReadableStream<Uint8Array>({ start: (body) => void (coming.body = body) })
      coming.answer(new Response(stream, { headers: { 'content-length': String(total) } }))
    }
    coming.body!.enqueue(new Uint8Array(bytes))
    if (!last) return
    coming.body!.close()
    this.coming.delete(id)
  }
}

/** Concatenate latents. */
function joined(places: readonly Float32Array[]): ArrayBuffer {
  const d = places[0]?.length ?? 0
  const all = new Float32Array(places.length * d)
  places.forEach((z, i) => all.set(z, i * d))
  return all.buffer
}

/** Split concatenated latents. */
function apart(places: ArrayBuffer, d: number): Float32Array[] {
  const all = new Float32Array(places)
  return Array.from({ length: Math.floor(all.length / d) }, (_, i) => all.slice(i * d, (i + 1) * d))
}
