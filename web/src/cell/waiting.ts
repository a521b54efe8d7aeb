/** The text shown until Python answers. */

import { preferred, say } from '../words'

/** Milliseconds without an answer until the text names possible causes. */
const SILENCE_MS = 15_000

/** Show it in an element, in the reader's language; returns a function that removes it. */
export function wait(element: HTMLElement): () => void {
  const language = preferred(navigator.languages)
  element.lang = language
  element.setAttribute('role', 'status')
  element.textContent = say(language, 'cellWaiting')
  const silence = setTimeout(() => (element.textContent = say(language, 'cellSilent')), SILENCE_MS)
  return () => clearTimeout(silence)
}
