/** Round numbers for an axis. */

export const MINUS = '\u2212'

/** Multiples of `step` from low to high. `step` is 0, without values, if there is no range. */
export type Ticks = { values: number[]; step: number }

/** About `about` multiples of 1, 2 or 5 times a power of ten within low..high. */
export function ticks(low: number, high: number, about: number): Ticks {
  if (low > high) return ticks(high, low, about)
  const rough = (high - low) / Math.max(1, about)
  if (!(rough > 0 && rough < Infinity)) return { values: [], step: 0 }

  let power = Math.floor(Math.log10(rough))
  const leading = rough / 10 ** power
  // The nearest by ratio: between 1 and 2 that is sqrt(2), and so on.
  let digit = leading < Math.SQRT2 ? 1 : leading < Math.sqrt(10) ? 2 : leading < Math.sqrt(50) ? 5 : 10
  if (digit === 10) [digit, power] = [1, power + 1]
  // A power below one is divided by, since 3 / 10 is the double nearest to 0.3, and 3 * 0.1 is not.
  const times = (count: number) => (power < 0 ? (count * digit) / 10 ** -power : count * digit * 10 ** power)
  const step = times(1)
  // With a tolerance, so that rounding does not lose a tick at an end.
  const first = Math.ceil(low / step - 1e-9)
  const last = Math.floor(high / step + 1e-9)
  const values: number[] = []
  for (let count = first; count <= last; count++) values.push(times(count) + 0) // + 0: no -0
  return { values, step }
}

/** A value with as many decimals as a step of 1, 2 or 5 times a power of ten has, and a true minus sign. */
export function format(value: number, step: number): string {
  const decimals = step > 0 ? Math.min(100, Math.max(0, -Math.floor(Math.log10(step) + 1e-9))) : 0
  const digits = step > 0 ? Math.abs(value).toFixed(decimals) : String(Math.abs(value))
  return value < 0 && Number(digits) !== 0 ? MINUS + digits : digits
}
