/** The plane of the latent space that the map shows: projection of latents and back. */

import { Phi, PhiInverse } from './normal'

/** What one side of the map shows: principal component k, or latent dimension k. */
export type Axis = { kind: 'pc' | 'dim'; k: number }

export interface PlaneSource {
  d: number
  mean: Float32Array
  axis(k: number): Float32Array
}

export class Plane {
  private readonly u: Float32Array
  private readonly v: Float32Array
  private readonly offset: [number, number]

  constructor(
    source: PlaneSource,
    readonly xAxis: Axis,
    readonly yAxis: Axis,
    /** Points are p = Phi(z) instead of z; only where both axes are latent dimensions. */
    readonly p: boolean,
  ) {
    const d = source.d
    const vector = (axis: Axis) => {
      if (axis.kind === 'pc') return source.axis(axis.k)
      const unit = new Float32Array(d)
      if (axis.k < d) unit[axis.k] = 1
      return unit
    }
    this.u = vector(xAxis)
    this.v = vector(yAxis)
    const origin = (axis: Axis, along: Float32Array) => (axis.kind === 'pc' ? dot(source.mean, along) : 0)
    this.offset = [origin(xAxis, this.u), origin(yAxis, this.v)]
  }

  /** The projection of a latent, in latent units. */
  flat(z: Float32Array): [number, number] {
    return [dot(z, this.u) - this.offset[0], dot(z, this.v) - this.offset[1]]
  }

  /** The projection of a latent, in the units of the map. */
  point(z: Float32Array): [number, number] {
    const [x, y] = this.flat(z)
    return this.p ? [Phi(x), Phi(y)] : [x, y]
  }

  /** The latent at a point of the map, with the coordinates of `anchor` off the plane. */
  place(x: number, y: number, anchor: Float32Array): Float32Array {
    const [px, py] = this.p ? [PhiInverse(inside(x)), PhiInverse(inside(y))] : [x, y]
    const [ax, ay] = this.flat(anchor)
    const z = new Float32Array(anchor.length)
    for (let i = 0; i < z.length; i++) z[i] = anchor[i] + (px - ax) * this.u[i] + (py - ay) * this.v[i]
    return z
  }

  /** The points of rows `from` to `to` of n x d latents, into xs and ys. */
  points(latents: Float32Array, from: number, to: number, xs: Float32Array, ys: Float32Array): void {
    const d = this.u.length
    for (let row = from; row < to; row++) {
      let x = -this.offset[0]
      let y = -this.offset[1]
      for (let i = 0, at = row * d; i < d; i++, at++) {
        x += latents[at] * this.u[i]
        y += latents[at] * this.v[i]
      }
      xs[row] = this.p ? Phi(x) : x
      ys[row] = this.p ? Phi(y) : y
    }
  }
}

/** p within the open interval (0, 1), where z is finite. */
const inside = (p: number): number => Math.min(Math.max(p, 1e-6), 1 - 1e-6)

export function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i]
  return sum
}
