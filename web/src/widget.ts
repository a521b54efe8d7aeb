/**
 * The explorer as a widget of a notebook (anywidget): a frame in the cell, which the kernel sends all that it shows.
 *
 * Nothing is fetched from a server: in VS Code, in Colab and behind a JupyterHub the page has no way to one that the
 * kernel could open. The frame keeps the page's styles and keys apart from the notebook's.
 */

import { HELLO, type FromCell, type ToCell, type Welcome } from './cell/protocol'
import { save } from './host/save'
import { preferred, say } from './words'

/** What anywidget gives: the model that the kernel has too. */
interface Model {
  get(name: string): unknown
  set(name: string, value: unknown): void
  save_changes(): void
  send(message: unknown): void
  on(event: string, use: (...given: never[]) => void): void
  off(event: string, use: (...given: never[]) => void): void
}

/** What the kernel says (publish/cell.py); the bytes of a part are beside it. */
type FromKernel =
  | { kind: 'part'; id: string; total: number; last: boolean }
  | { kind: 'missing'; id: string; why: string }

/** Milliseconds without an answer, after which it is said what may be wrong. */
const SILENCE_MS = 15_000
const PAGE = 'cell.html'

let views = 0

function render({ model, el }: { model: Model; el: HTMLElement }): () => void {
  const frame = document.createElement('iframe')
  const view = `${Date.now()}-${views++}`
  let port: MessagePort | null = null
  const language = preferred(navigator.languages)

  const waiting = document.createElement('p')
  waiting.setAttribute('role', 'status')
  waiting.textContent = say(language, 'cellWaiting')
  const silence = setTimeout(() => (waiting.textContent = say(language, 'cellSilent')), SILENCE_MS)
  el.append(waiting)

  const get = (id: string, path: string) => model.send({ kind: 'get', id: `${view} ${id}`, path })
  const tell = (message: ToCell) => {
    if (!port) return
    const bytes = message.kind === 'part' ? [message.bytes] : []
    port.postMessage(message, bytes)
  }

  // Several views have one model: each hears what was sent to all, and takes what it asked for.
  const page: Uint8Array[] = []
  function heard(message: FromKernel, buffers: DataView[]): void {
    const [whose, id] = message.id?.split(/ (?=\S+$)/) ?? []
    if (whose !== view) return
    if (message.kind === 'missing') {
      if (id === PAGE) waiting.textContent = message.why
      else tell({ kind: 'missing', id: Number(id), why: message.why })
      clearTimeout(silence)
      return
    }
    const bytes = copied(buffers[0])
    if (id !== PAGE) return tell({ ...message, id: Number(id), bytes: bytes.buffer })
    clearTimeout(silence)
    page.push(bytes)
    if (message.last) void new Blob(page as BlobPart[]).text().then(show)
  }

  function show(html: string): void {
    frame.title = String(model.get('_title'))
    frame.style.cssText = `display: block; width: 100%; height: ${Number(model.get('height'))}px; border: 0; color-scheme: normal`
    frame.srcdoc = html
    waiting.replaceWith(frame)
  }

  function listened({ data }: MessageEvent<FromCell>): void {
    if (data.kind === 'get') return get(String(data.id), data.path)
    if (data.kind === 'save') return save(data.blob, data.name)
    const [name, value] = data.kind === 'pinned' ? ['pinned', new DataView(data.places)] : ['_address', data.text]
    model.set(name, value)
    model.save_changes()
  }

  // Each time the frame is put somewhere else in the document it begins anew, and says hello again.
  function hello(event: MessageEvent): void {
    if (event.data !== HELLO || !frame.contentWindow || event.source !== frame.contentWindow) return
    port?.close()
    const channel = new MessageChannel()
    port = channel.port1
    port.onmessage = listened
    const welcome: Welcome = { address: String(model.get('_address')), pinned: pinned(), dark: isDark(el) }
    frame.contentWindow.postMessage(welcome, '*', [channel.port2])
  }

  const pinned = (): ArrayBuffer => {
    const value = model.get('pinned')
    return value instanceof DataView ? copied(value).buffer : new ArrayBuffer(0)
  }
  const pinnedElsewhere = () => tell({ kind: 'pinned', places: pinned() })
  const resized = () => (frame.style.height = `${Number(model.get('height'))}px`)
  const dark = () => tell({ kind: 'dark', dark: isDark(el) })

  const themes = new MutationObserver(dark)
  const attributes = { attributes: true, attributeFilter: ['class', 'style', 'data-jp-theme-light', 'theme'] }
  for (const one of [document.documentElement, document.body]) themes.observe(one, attributes)
  const system = matchMedia('(prefers-color-scheme: dark)')
  system.addEventListener('change', dark)
  addEventListener('message', hello)
  model.on('msg:custom', heard)
  model.on('change:pinned', pinnedElsewhere)
  model.on('change:height', resized)
  get(PAGE, PAGE)

  return () => {
    clearTimeout(silence)
    themes.disconnect()
    system.removeEventListener('change', dark)
    removeEventListener('message', hello)
    model.off('msg:custom', heard)
    model.off('change:pinned', pinnedElsewhere)
    model.off('change:height', resized)
    port?.close()
  }
}

/** Bytes of their own, which can be given away. */
function copied(view: DataView | undefined): Uint8Array<ArrayBuffer> {
  return view ? new Uint8Array(view.buffer, view.byteOffset, view.byteLength).slice() : new Uint8Array(0)
}

/** Whether what lies behind an element is dark. Notebooks name their themes differently, so it is looked at. */
function isDark(element: Element): boolean {
  for (let at: Element | null = element; at; at = at.parentElement) {
    const [r, g, b, a = 1] = getComputedStyle(at).backgroundColor.match(/[\d.]+/g)?.map(Number) ?? []
    if (a > 0.5 && r !== undefined) return 0.2126 * r + 0.7152 * g + 0.0722 * b < 128
  }
  return matchMedia('(prefers-color-scheme: dark)').matches
}

export default { render }
