/** The host of an explorer on a web page, served with the files of the site. */

import engineUrl from 'onnxruntime-web/ort-wasm-simd-threaded.wasm?url'
import type { Host } from './host'
import { save } from './save'

let written = ''

export const page: Host = {
  data: (path) => fetch(new URL(`data/${path}`, document.baseURI)),
  engine: () => fetch(new URL(engineUrl, document.baseURI)),
  modelWorker: () => new Worker(new URL('../worker/model.worker.ts', import.meta.url), { type: 'module' }),
  searchWorker: () => new Worker(new URL('../worker/search.worker.ts', import.meta.url), { type: 'module' }),
  again: 'exportAgain',
  address: () => location.hash,
  keepAddress(text) {
    written = `#${text}`
    if (location.hash !== written) history.replaceState(null, '', written)
  },
  onAddress(use) {
    addEventListener('hashchange', () => location.hash !== written && use(location.hash))
  },
  link: (text) => `${location.href.split('#')[0]}#${text}`,
  watchDark(use) {
    const dark = matchMedia('(prefers-color-scheme: dark)')
    use(dark.matches)
    dark.addEventListener('change', (event) => use(event.matches))
  },
  chosen(name) {
    try {
      return localStorage.getItem(`armoire-${name}`)
    } catch {
      return null // storage may be disabled
    }
  },
  choose(name, value) {
    try {
      localStorage.setItem(`armoire-${name}`, value)
    } catch {
      // Then the choice is not stored.
    }
  },
  save,
  room: 60,
  storesPins: false,
  pins: () => undefined,
  storePins() {},
  onPins() {},
}
