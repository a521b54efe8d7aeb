/** The explorer as a page of its own. */

import { beAtHome } from './host/host'
import { page } from './host/page'
import { open } from './open.svelte'

beAtHome(page)
void open()
