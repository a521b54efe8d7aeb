/** Draws from the distributions that the manifest describes. */

import { Random } from './normal'
import type { PriorEntry } from './site'

/**
 * n latents of d dimensions; equal seeds give equal samples.
 *
 * @param drawn samples to choose from, concatenated, of a prior that was drawn from in advance.
 */
export function draw(
  prior: PriorEntry,
  d: number,
  n: number,
  seed: number,
  drawn: Float32Array | null = null,
): readonly Float32Array[] {
  const random = new Random(seed)
  if ('file' in prior) return drawn ? choose(drawn, d, n, random) : []
  return Array.from({ length: n }, () =>
    Float32Array.from({ length: d }, (_, i) =>
      prior.kind === 'normal' ? random.normal() : prior.low[i] + (prior.high[i] - prior.low[i]) * random.uniform(),
    ),
  )
}

/** n different ones of those drawn; all if there are no more. */
function choose(drawn: Float32Array, d: number, n: number, random: Random): Float32Array[] {
  const count = Math.floor(drawn.length / d)
  const chosen = new Set<number>()
  while (chosen.size < Math.min(n, count)) chosen.add(Math.floor(random.uniform() * count))
  return [...chosen].map((row) => drawn.slice(row * d, (row + 1) * d))
}
