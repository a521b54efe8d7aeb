/** Opens the explorer in the document it is in. */

import { mount } from 'svelte'
import App from './App.svelte'
import './app.css'
import { host } from './host/host'
import { read } from './lib/address'
import { Explorer } from './lib/explorer.svelte'
import { readManifest, reason, errorText, SiteError } from './lib/site'
import { preferred, say, type Language } from './words'

/** The language of the link, else that which was chosen last, else the browser's. */
function language(): Language {
  const link = read(host.address(), 0).language
  return preferred([link ?? '', host.chosen('language') ?? '', ...navigator.languages])
}

/** In place of the page: what happened, why, and what to do. */
function sorry(root: HTMLElement, error: unknown): void {
  const words = error instanceof SiteError ? errorText(error, language()) : say(language(), 'pageFailed', { why: reason(error) })
  const sentence = document.createElement('p')
  sentence.className = 'sorry'
  sentence.setAttribute('role', 'alert')
  sentence.textContent = words
  root.replaceChildren(sentence)
}

/** Open it, or say why it cannot be opened. */
export async function open(): Promise<void> {
  const root = document.getElementById('app')!
  try {
    const explorer = new Explorer(await readManifest())
    explorer.language = language()
    const theme = host.chosen('theme')
    if (theme === 'light' || theme === 'dark') explorer.theme = theme
    const { d } = explorer.wardrobe
    explorer.restore(read(host.address(), d), host.pins(d))
    host.onPins(d, (places) => explorer.setPins(places))
    root.replaceChildren()
    mount(App, { target: root, props: { explorer } })
    $effect.root(() => {
      $effect(() => host.choose('language', explorer.language))
      $effect(() => host.choose('theme', explorer.theme))
      $effect(() => host.storePins(explorer.pins.map((item) => item.z)))
    })
  } catch (error) {
    sorry(root, error)
  }
}
