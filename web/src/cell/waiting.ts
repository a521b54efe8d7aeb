/** What is said while nothing has come from Python yet. */

import { preferred, say } from '../words'

/** Milliseconds without an answer, after which it is said what may be wrong. */
const SILENCE_MS = 15_000

/** Say so in an element, in the reader's language; returns what ends that. */
export function wait(element: HTMLElement): () => void {
  const language = preferred(navigator.languages)
  element.lang = language
  element.setAttribute('role', 'status')
  element.textContent = say(language, 'cellWaiting')
  const silence = setTimeout(() => (element.textContent = say(language, 'cellSilent')), SILENCE_MS)
  return () => clearTimeout(silence)
}
