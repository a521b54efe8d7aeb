/** Draws from the distributions that the manifest describes. */

import { Random } from './normal'
import type { PriorEntry } from './site'

/** n places of d dimensions; the same seed draws the same. */
export function draw(prior: PriorEntry, d: number, n: number, seed: number): readonly Float32Array[] {
  const random = new Random(seed)
  return Array.from({ length: n }, () =>
    Float32Array.from({ length: d }, (_, i) =>
      prior.kind === 'normal' ? random.normal() : prior.low[i] + (prior.high[i] - prior.low[i]) * random.uniform(),
    ),
  )
}
