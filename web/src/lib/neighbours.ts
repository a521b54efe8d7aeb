/** The images nearest to a latent. */

/** Rows of the latents, nearest first, and their Euclidean distances in latent units. */
export type Neighbours = { rows: Uint32Array<ArrayBuffer>; distances: Float32Array<ArrayBuffer> }

/**
 * Exact search in one pass; at equal distance the lower row comes first.
 *
 * @param latents (n, d), row by row.
 * @param z the latent, d numbers.
 * @param k number of images; fewer if `keep` selects fewer.
 * @param keep which rows to search; by default all. Called only for rows that are near enough.
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
    // Written so that NaN is never near.
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

/** The squared distance from a row, or a partial sum once it exceeds `enough`. */
function squaredDistance(latents: Float32Array, start: number, d: number, z: Float32Array, enough: number): number {
  let sum = 0
  let i = 0
  // Eight at a time: independent sums, and one comparison for all.
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
