/** The standard normal distribution, and numbers drawn from it. */

/** The polynomial with these coefficients, highest power first, Horner's way. */
function polynomial(x: number, coefficients: readonly number[]): number {
  let sum = coefficients[0]
  for (let i = 1; i < coefficients.length; i++) sum = sum * x + coefficients[i]
  return sum
}

// Highest power first. W. J. Cody, Algorithm 715: SPECFUN, ACM Trans. Math. Softw. 19 (1993), ANORM.
const NEAR_TOP = [
  0.065682337918207449113, 2.2352520354606839287, 161.02823106855587881, 1067.6894854603709582, 18154.981253343561249,
] as const
const NEAR_BOTTOM = [
  1, 47.20258190468824187, 976.09855173777669322, 10260.932208618978205, 45507.789335026729956,
] as const
const MIDDLE_TOP = [
  1.0765576773720192317e-8, 0.39894151208813466764, 8.8831497943883759412, 93.506656132177855979, 597.27027639480026226,
  2494.5375852903726711, 6848.1904505362823326, 11602.651437647350124, 9842.7148383839780218,
] as const
const MIDDLE_BOTTOM = [
  1, 22.266688044328115691, 235.38790178262499861, 1519.377599407554805, 6485.558298266760755, 18615.571640885098091,
  34900.952721145977266, 38912.003286093271411, 19685.429676859990727,
] as const
const FAR_TOP = [
  0.02307344176494017303, 0.21589853405795699, 0.1274011611602473639, 0.022235277870649807, 0.001421619193227893466,
  2.9112874951168792e-5,
] as const
const FAR_BOTTOM = [
  1, 1.28426009614491121, 0.468238212480865118, 0.0659881378689285515, 0.00378239633202758244, 7.29751555083966205e-5,
] as const

const ROOT_OF_TWO_PI = Math.sqrt(2 * Math.PI)

/** exp(-x^2 / 2), with x^2 split so that the exponential of a large number keeps its last digits (Cody). */
function bell(x: number): number {
  const coarse = Math.trunc(x * 16) / 16
  return Math.exp((-coarse * coarse) / 2) * Math.exp((-(x - coarse) * (x + coarse)) / 2)
}

/** Density of N(0, 1) at x. */
export function density(x: number): number {
  return bell(x) / ROOT_OF_TWO_PI
}

/**
 * The share of N(0, 1) below x.
 *
 * Rational approximations by W. J. Cody, Rational Chebyshev approximations for the error function, Math. Comp. 23
 * (1969), with the coefficients of ANORM in his Algorithm 715 (ACM Trans. Math. Softw. 19, 1993).
 */
export function Phi(x: number): number {
  const far = Math.abs(x)
  if (!(far > 0.67448975)) {
    const square = x * x
    return 0.5 + (x * polynomial(square, NEAR_TOP)) / polynomial(square, NEAR_BOTTOM)
  }
  const tail = far > 38.5 ? 0 : bell(far) * mills(far) // below the smallest number
  return x > 0 ? 1 - tail : tail
}

/** The upper tail at x > 0.67, over exp(-x^2 / 2). */
function mills(x: number): number {
  if (x <= Math.sqrt(32)) return polynomial(x, MIDDLE_TOP) / polynomial(x, MIDDLE_BOTTOM)
  const inverse = 1 / (x * x)
  return (1 / ROOT_OF_TWO_PI - (inverse * polynomial(inverse, FAR_TOP)) / polynomial(inverse, FAR_BOTTOM)) / x
}

// Highest power first. M. J. Wichura, Algorithm AS 241, Applied Statistics 37 (1988), PPND16.
const CENTRE_TOP = [
  2.509080928730122673e3, 3.34305755835881281e4, 6.726577092700870085e4, 4.592195393154987146e4,
  1.373169376550946113e4, 1.971590950306551443e3, 1.331416678917843775e2, 3.387132872796366608,
] as const
const CENTRE_BOTTOM = [
  5.226495278852854561e3, 2.872908573572194267e4, 3.930789580009271061e4, 2.121379430158659587e4,
  5.394196021424751108e3, 6.871870074920579083e2, 4.231333070160091125e1, 1,
] as const
const SIDE_TOP = [
  7.7454501427834140764e-4, 2.27238449892691845833e-2, 2.4178072517745061177e-1, 1.27045825245236838258,
  3.64784832476320460504, 5.7694972214606914055, 4.6303378461565452959, 1.42343711074968357734,
] as const
const SIDE_BOTTOM = [
  1.05075007164441684324e-9, 5.475938084995344946e-4, 1.51986665636164571966e-2, 1.4810397642748007459e-1,
  6.8976733498510000455e-1, 1.6763848301838038494, 2.05319162663775882187, 1,
] as const
const TAIL_TOP = [
  2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.2426609473880784386e-3, 2.6532189526576123093e-2,
  2.9656057182850489123e-1, 1.7848265399172913358, 5.4637849111641143699, 6.6579046435011037772,
] as const
const TAIL_BOTTOM = [
  2.04426310338993978564e-15, 1.4215117583164458887e-7, 1.8463183175100546818e-5, 7.868691311456132591e-4,
  1.48753612908506148525e-2, 1.3692988092273580531e-1, 5.9983220655588793769e-1, 1,
] as const

/** The x with Phi(x) = p; ∓Infinity at 0 and 1, NaN outside. M. J. Wichura's AS 241 (1988), PPND16. */
export function PhiInverse(p: number): number {
  const q = p - 0.5
  if (Math.abs(q) <= 0.425) {
    const r = 0.425 * 0.425 - q * q
    return (q * polynomial(r, CENTRE_TOP)) / polynomial(r, CENTRE_BOTTOM)
  }
  if (!(p >= 0 && p <= 1)) return NaN
  if (p === 0 || p === 1) return q * Infinity
  const r = Math.sqrt(-Math.log(q < 0 ? p : 1 - p))
  const x =
    r <= 5
      ? polynomial(r - 1.6, SIDE_TOP) / polynomial(r - 1.6, SIDE_BOTTOM)
      : polynomial(r - 5, TAIL_TOP) / polynomial(r - 5, TAIL_BOTTOM)
  return q < 0 ? -x : x
}

/** xoshiro128** 1.1 of D. Blackman and S. Vigna (ACM Trans. Math. Softw. 47, 2021): 32 random bits a call. */
export function xoshiro128(state: readonly [number, number, number, number]): () => number {
  let [a, b, c, d] = state
  return () => {
    const scrambled = Math.imul(b, 5)
    const bits = Math.imul((scrambled << 7) | (scrambled >>> 25), 9) >>> 0
    const shifted = b << 9
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    c ^= shifted
    d = (d << 11) | (d >>> 21)
    return bits
  }
}

/** SplitMix of 32 bits, with C. Wellons's lowbias32 as its mixer: makes a whole state of one number. */
function splitmix32(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x9e3779b9) >>> 0
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad)
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97)
    return (mixed ^ (mixed >>> 15)) >>> 0
  }
}

/** Reproducible random numbers; the seed is a whole number below 2^32. They differ from those of Python. */
export class Random {
  readonly #next: () => number

  constructor(seed: number) {
    const next = splitmix32(seed)
    this.#next = xoshiro128([next(), next(), next(), next()])
  }

  /** Evenly from the open interval (0, 1), in 2^52 steps. */
  uniform(): number {
    const high = this.#next() >>> 6
    const low = this.#next() >>> 6
    return (high * 2 ** 26 + low + 0.5) / 2 ** 52
  }

  /** From N(0, 1), by inversion. */
  normal(): number {
    return PhiInverse(this.uniform())
  }
}
