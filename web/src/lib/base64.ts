/** Latents in a link: float32, little-endian on every machine, in base64url (RFC 4648, section 5) without padding. */

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
const VALUES = new Map([...ALPHABET].map((letter, value) => [letter, value]))

/** Four bytes a number; NaN and the infinities too. */
export function toBase64url(numbers: Float32Array): string {
  const view = new DataView(new ArrayBuffer(numbers.length * 4))
  // As bits: a NaN handled as a number may change its bits.
  const bits = new Uint32Array(numbers.buffer, numbers.byteOffset, numbers.length)
  bits.forEach((word, i) => view.setUint32(i * 4, word, true))
  let text = ''
  for (let i = 0; i < view.byteLength; i += 3) {
    const byte = (at: number) => (at < view.byteLength ? view.getUint8(at) : 0)
    const three = (byte(i) << 16) | (byte(i + 1) << 8) | byte(i + 2)
    const letters = Math.min(4, view.byteLength - i + 1)
    for (let j = 0; j < letters; j++) text += ALPHABET[(three >> (18 - 6 * j)) & 63]
  }
  return text
}

/** The inverse of `toBase64url`; null for any other text. */
export function fromBase64url(text: string): Float32Array<ArrayBuffer> | null {
  const bytes = new Uint8Array(Math.floor((text.length * 3) / 4))
  if (text.length % 4 === 1 || bytes.length % 4 !== 0) return null
  let bits = 0
  let held = 0
  let at = 0
  for (const letter of text) {
    const value = VALUES.get(letter)
    if (value === undefined) return null
    bits = ((bits << 6) | value) & 0xffff
    held += 6
    if (held < 8) continue
    held -= 8
    bytes[at++] = bits >> held
  }
  if (bits & ((1 << held) - 1)) return null // the last letter holds bits of no byte
  const view = new DataView(bytes.buffer)
  const words = new Uint32Array(bytes.length / 4).map((_, i) => view.getUint32(i * 4, true))
  return new Float32Array(words.buffer)
}
