/** Interpolation between two latents, as in armoire.wardrobe.interpolation. */

export type PathKind = 'linear' | 'spherical'

/** Below this sine, two directions are parallel or opposite: no single great circle joins them. */
const PARALLEL = 1e-6

/** a (1 - t) + b t. */
export function linear(a: Float32Array, b: Float32Array, t: number): Float32Array<ArrayBuffer> {
  return Float32Array.from(a, (value, i) => value * (1 - t) + b[i] * t)
}

/**
 * The direction rotates at constant speed (Shoemake 1985) while the length changes linearly, so that
 * no step is nearer the origin than both ends: in many dimensions a straight line leaves the shell of N(0, I).
 */
export function spherical(a: Float32Array, b: Float32Array, t: number): Float32Array<ArrayBuffer> {
  const lengthA = Math.sqrt(dot(a, a))
  const lengthB = Math.sqrt(dot(b, b))
  if (t === 0 || t === 1 || lengthA === 0 || lengthB === 0) return linear(a, b, t)
  const angle = Math.acos(Math.min(1, Math.max(-1, dot(a, b) / lengthA / lengthB)))
  const sine = Math.sin(angle)
  if (sine < PARALLEL) return linear(a, b, t)
  const length = lengthA * (1 - t) + lengthB * t
  const shareA = ((Math.sin((1 - t) * angle) / sine) * length) / lengthA
  const shareB = ((Math.sin(t * angle) / sine) * length) / lengthB
  return Float32Array.from(a, (value, i) => value * shareA + b[i] * shareB)
}

/** Latents from a to b, both included: (steps, d), row by row; `steps` is at least 2. */
export function path(a: Float32Array, b: Float32Array, steps: number, kind: PathKind): Float32Array<ArrayBuffer> {
  if (steps < 2) throw new RangeError(`a path needs at least 2 steps, its ends, not ${steps}`)
  const between = kind === 'linear' ? linear : spherical
  const places = new Float32Array(steps * a.length)
  for (let i = 1; i < steps - 1; i++) places.set(between(a, b, i * (1 / (steps - 1))), i * a.length)
  places.set(a)
  places.set(b, (steps - 1) * a.length)
  return places
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i]
  return sum
}
