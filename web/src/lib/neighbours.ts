/** The images nearest to a place. */

/** Rows of the latents, nearest first, and their Euclidean distances in latent units. */
export type Neighbours = { rows: Uint32Array<ArrayBuffer>; distances: Float32Array<ArrayBuffer> }

/**
 * Exact search in one pass; of two at the same distance the lower row comes first.
 *
 * @param latents (n, d), row by row.
 * @param z the place, d numbers.
 * @param k how many; fewer come back where fewer are kept.
 * @param keep which rows count; all of them without it. It is asked only of rows that are near enough.
 */
export function nearest(
  latents: Float32Array,
  n: number,
  d: number,
  z: Float32Array,
  k: number,
  keep?: (row: number) => boolean,
): Neighbours {
  const rows = new Uint32Array(Math.max(k, 0))
  const squares = new Float64Array(rows.length)
  let found = 0
  let worst = k > 0 ? Infinity : 0
  for (let row = 0; row < n; row++) {
    const square = squaredDistance(latents, row * d, d, z, worst)
    // Written so that a NaN is never near.
    if (!(square < worst) || (keep && !keep(row))) continue
    let at = found < k ? found++ : k - 1
    for (; at > 0 && squares[at - 1] > square; at--) {
      squares[at] = squares[at - 1]
      rows[at] = rows[at - 1]
    }
    squares[at] = square
    rows[at] = row
    if (found === k) worst = squares[k - 1]
  }
  return { rows: rows.slice(0, found), distances: Float32Array.from(squares.subarray(0, found), Math.sqrt) }
}

/** The square of the distance from a row, or, once it cannot be below `enough`, what there is of it. */
function squaredDistance(latents: Float32Array, start: number, d: number, z: Float32Array, enough: number): number {
  let sum = 0
  let i = 0
  // Eight at a time: sums that do not wait for one another, and one question for all of them.
  for (; i + 8 <= d; i += 8) {
    const at = start + i
    const d0 = latents[at] - z[i]
    const d1 = latents[at + 1] - z[i + 1]
    const d2 = latents[at + 2] - z[i + 2]
    const d3 = latents[at + 3] - z[i + 3]
    const d4 = latents[at + 4] - z[i + 4]
    const d5 = latents[at + 5] - z[i + 5]
    const d6 = latents[at + 6] - z[i + 6]
    const d7 = latents[at + 7] - z[i + 7]
    sum += d0 * d0 + d4 * d4 + (d1 * d1 + d5 * d5) + (d2 * d2 + d6 * d6) + (d3 * d3 + d7 * d7)
    if (sum >= enough) return sum
  }
  for (; i < d; i++) {
    const difference = latents[start + i] - z[i]
    sum += difference * difference
  }
  return sum
}
