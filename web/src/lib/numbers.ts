/** Numbers as they are read: a true minus sign, and as many digits as say something. */

export const MINUS = '−'

export function fixed(value: number, digits = 2): string {
  return value.toFixed(digits).replace('-', MINUS)
}

/** With its sign, and 0 without one. */
export function signed(value: number, digits = 1): string {
  const text = Math.abs(value).toFixed(digits)
  if (Number(text) === 0) return text
  return `${value > 0 ? '+' : MINUS}${text}`
}
