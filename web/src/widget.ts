/**
 * The explorer as a widget of a notebook (anywidget): a frame in the cell that gets all its data from the kernel.
 *
 * Nothing is fetched from a server: in VS Code, in Colab and behind a JupyterHub the page cannot reach one that the
 * kernel could open. The frame separates the page's styles and keys from the notebook's, and the data of an untrusted
 * run from the notebook's origin.
 */

import { Files, type Model } from './cell/files'
import { equal, HELLO, type FromCell, type ToCell, type Welcome } from './cell/protocol'
import { wait } from './cell/waiting'
import { save } from './host/save'
import { preferred, say } from './words'

const PAGE = 'cell.html'

function render(model: Model, el: HTMLElement, files: Files): () => void {
  const frame = document.createElement('iframe')
  frame.setAttribute('sandbox', 'allow-scripts')
  let port: MessagePort | null = null
  /** The pinned latents as last sent to or received from Python. */
  let known = new ArrayBuffer(0)
  /** Requests of the current frame that are not answered yet. */
  let coming: (() => void)[] = []

  const waiting = document.createElement('p')
  el.append(waiting)
  const stopWaiting = wait(waiting)

  const page: Uint8Array<ArrayBuffer>[] = []
  const forget = files.get(PAGE, {
    part(bytes, _total, last) {
      stopWaiting()
      page.push(bytes)
      if (last) void new Blob(page).text().then(show)
    },
    missing(why) {
      stopWaiting()
      const language = preferred(navigator.languages)
      waiting.textContent = say(language, 'missingFile', { path: PAGE, why, again: say(language, 'runAgain') })
    },
  })

  function show(html: string): void {
    frame.title = String(model.get('_title'))
    frame.style.cssText = `display: block; width: 100%; height: ${Number(model.get('height'))}px; border: 0; color-scheme: normal`
    frame.srcdoc = html
    waiting.replaceWith(frame)
  }

  const tell = (message: ToCell, give: Transferable[] = []) => port?.postMessage(message, give)

  function get(id: number, path: string): void {
    const part = (bytes: Uint8Array<ArrayBuffer>, total: number, last: boolean) =>
      tell({ kind: 'part', id, bytes: bytes.buffer, total, last }, [bytes.buffer])
    coming.push(files.get(path, { part, missing: (why) => tell({ kind: 'missing', id, why }) }))
  }

  function keep(name: string, value: unknown): void {
    model.set(name, value)
    try {
      model.save_changes()
    } catch {
      // The kernel is gone: the view works without it.
    }
  }

  function listened({ data }: MessageEvent<FromCell>): void {
    if (data.kind === 'get') get(data.id, data.path)
    else if (data.kind === 'save') save(data.blob, data.name)
    else if (data.kind === 'address') keep('_address', data.text)
    else if (data.kind === 'choice') keep('_choices', { ...choices(), [data.name]: data.value })
    else {
      known = data.places
      keep('pinned', new DataView(data.places))
    }
  }

  // A frame that is moved in the document starts anew and sends HELLO again.
  function hello(event: MessageEvent): void {
    if (event.data !== HELLO || !frame.contentWindow || event.source !== frame.contentWindow) return
    leave()
    const channel = new MessageChannel()
    port = channel.port1
    port.onmessage = listened
    known = pinned()
    const address = String(model.get('_address'))
    const welcome: Welcome = { address, choices: choices(), pinned: known, dark: isDark(el) }
    frame.contentWindow.postMessage(welcome, '*', [channel.port2])
  }

  function leave(): void {
    port?.close()
    for (const forget of coming) forget()
    coming = []
  }

  function pinned(): ArrayBuffer {
    const value = model.get('pinned')
    if (!(value instanceof DataView)) return new ArrayBuffer(0)
    return new Uint8Array(value.buffer, value.byteOffset, value.byteLength).slice().buffer as ArrayBuffer
  }

  // The view receives its own changes too, perhaps after newer ones.
  function pinnedElsewhere(): void {
    const now = pinned()
    if (equal(now, known)) return
    known = now
    tell({ kind: 'pinned', places: now })
  }

  const choices = () => model.get('_choices') as Record<string, string>
  const resized = () => (frame.style.height = `${Number(model.get('height'))}px`)
  const dark = () => tell({ kind: 'dark', dark: isDark(el) })

  const themes = new MutationObserver(dark)
  const attributes = { attributes: true, attributeFilter: ['class', 'style', 'data-jp-theme-light', 'theme'] }
  for (const one of [document.documentElement, document.body]) themes.observe(one, attributes)
  const system = matchMedia('(prefers-color-scheme: dark)')
  system.addEventListener('change', dark)
  addEventListener('message', hello)
  model.on('change:pinned', pinnedElsewhere)
  model.on('change:height', resized)

  return () => {
    stopWaiting()
    forget()
    leave()
    themes.disconnect()
    system.removeEventListener('change', dark)
    removeEventListener('message', hello)
    model.off('change:pinned', pinnedElsewhere)
    model.off('change:height', resized)
  }
}

/** Whether the background of an element is dark: notebooks have no common name for themes. */
function isDark(element: Element): boolean {
  for (let at: Element | null = element; at; at = at.parentElement) {
    const colour = getComputedStyle(at).backgroundColor
    const [r, g, b, a = 1] = colour.match(/[\d.]+(?:e-\d+)?/g)?.map(Number) ?? []
    // rgb() counts to 255, color() to 1.
    const white = colour.startsWith('color(') ? 1 : 255
    if (a > 0.5 && b !== undefined) return 0.2126 * r + 0.7152 * g + 0.0722 * b < white / 2
  }
  return matchMedia('(prefers-color-scheme: dark)').matches
}

/** Once per explorer: the model of `initialize` lives as long as it, the model of `render` as long as a view. */
export default function explorer() {
  let files: Files
  return {
    initialize({ model }: { model: Model }) {
      files = new Files(model)
    },
    render: ({ model, el }: { model: Model; el: HTMLElement }) => render(model, el, files),
  }
}
