import { describe, expect, it } from 'vitest'
import { fromBase64url, toBase64url } from './base64'
import { noise } from './from_python'

describe('base64url', () => {
  it('comes back to the bit, whatever the length', () => {
    for (let n = 0; n < 9; n++) {
      const bits = noise(n, n)
      const back = fromBase64url(toBase64url(new Float32Array(bits.buffer)))
      expect(new Uint32Array(back!.buffer)).toEqual(bits)
    }
  })

  it('is little-endian, of letters that a link holds, without padding', () => {
    // 1 is 00 00 80 3f, and as base64 AACAPw==
    expect(toBase64url(new Float32Array([1]))).toBe('AACAPw')
    const all = toBase64url(new Float32Array(noise(500, 1).buffer))
    expect(all).toMatch(/^[\w-]+$/)
    expect(all).toMatch(/_/)
    expect(all).toMatch(/-/)
  })

  it('is null where the text is damaged', () => {
    const cut = ['A', 'AACAP', 'AACAPwAA']
    const foreign = ['AACAPw==', 'AACA w', 'AACA+w', 'AACA/w', 'AACAP\u{1f600}', '가나다라마바']
    const bitsTooMany = 'AACAPx'
    for (const text of [...cut, ...foreign, bitsTooMany])
      expect(fromBase64url(text), text).toBeNull()
    expect(fromBase64url('')).toEqual(new Float32Array(0))
  })

  it('never throws, and reads only what it writes', () => {
    const letters = 'AZaz09-_+/= \n\0é\ud800'
    for (let seed = 0; seed < 2000; seed++) {
      const text = [...noise(seed % 14, seed)].map((bits) => letters[bits % letters.length]).join('')
      const read = fromBase64url(text)
      if (read) expect(toBase64url(read)).toBe(text)
    }
  })
})
