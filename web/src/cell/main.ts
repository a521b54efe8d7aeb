/** The explorer within a cell of a notebook. */

import '../app.css'
import { wait } from './waiting'
import { beAtHome } from '../host/host'
import { enter } from '../host/cell'
import { open } from '../open.svelte'

// Until the first file has arrived; then the page replaces it.
const sentence = document.createElement('p')
sentence.className = 'sorry'
document.getElementById('app')!.append(sentence)
const stop = wait(sentence)

void enter()
  .then((cell) => {
    beAtHome(cell)
    return open()
  })
  .finally(stop)
