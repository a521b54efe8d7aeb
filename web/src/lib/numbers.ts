/** Numbers for readers: a true minus sign, and only significant digits. */

export const MINUS = '−'

export function fixed(value: number, digits = 2): string {
  return value.toFixed(digits).replace('-', MINUS)
}

/** With a sign, except 0. */
export function signed(value: number, digits = 1): string {
  const text = Math.abs(value).toFixed(digits)
  if (Number(text) === 0) return text
  return `${value > 0 ? '+' : MINUS}${text}`
}
