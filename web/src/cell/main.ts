/** The explorer within a cell of a notebook. */

import { beAtHome } from '../host/host'
import { enter } from '../host/cell'
import { open } from '../open.svelte'

void enter().then((cell) => {
  beAtHome(cell)
  return open()
})
