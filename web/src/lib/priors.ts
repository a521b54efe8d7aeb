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
  if ('file' in prior) {
    if (!drawn) return []
    return choose(Math.floor(drawn.length / d), n, seed).map((row) => drawn.slice(row * d, (row + 1) * d))
  }
  const random = new Random(seed)
  return Array.from({ length: n }, () =>
    Float32Array.from({ length: d }, (_, i) =>
      prior.kind === 'normal' ? random.normal() : prior.low[i] + (prior.high[i] - prior.low[i]) * random.uniform(),
    ),
  )
}

/** Which of `count` samples drawn in advance a seed chooses: n different ones; all if there are no more. */
export function choose(count: number, n: number, seed: number): number[] {
  const random = new Random(seed)
  const chosen = new Set<number>()
  while (chosen.size < Math.min(n, count)) chosen.add(Math.floor(random.uniform() * count))
  return [...chosen]
}
