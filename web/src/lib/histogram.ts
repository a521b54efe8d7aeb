/**
 * A histogram of densities, comparable with a density function: share of all values over the width of a bin.
 *
 * Values outside low..high are in no bin but count in the total; NaN does not. The last bin includes `high`.
 */
export function histogram(
  values: ArrayLike<number>,
  low: number,
  high: number,
  bins: number,
): Float64Array<ArrayBuffer> {
  const densities = new Float64Array(bins)
  const width = (high - low) / bins
  let all = 0
  for (let i = 0; i < values.length; i++) {
    const value = values[i]
    if (Number.isNaN(value)) continue
    all++
    if (value >= low && value <= high) densities[Math.min(bins - 1, Math.floor((value - low) / width))]++
  }
  return all ? densities.map((count) => count / (all * width)) : densities
}
