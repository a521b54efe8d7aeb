/**
 * An image preprocessed for a model, byte for byte as `armoire.images.Fit` does it.
 *
 * The resizing is that of Pillow 13 (src/libImaging/Resample.c): a triangle filter as wide as the reduction,
 * fixed-point weights of 22 bits, rows and columns one after the other, with 8 bits in between.
 */

/** `fit` of a site's manifest; see `armoire.images.Fit` for what each means. Lengths are in pixels. */
export type Fit = {
  size: number
  how: 'crop' | 'pad' | 'stretch'
  background: [number, number, number]
  channels: 1 | 3
  canvas: number
}

/** Pixels as in ImageData: RGBA, row by row, straight alpha. */
export type Picture = { width: number; height: number; data: Uint8ClampedArray }

/** The part of a picture that is resized: left, top, right, bottom in pixels, which may end halfway through one. */
type Box = [left: number, top: number, right: number, bottom: number]

/** The input pixels of each output pixel along one side: `count` from `first` on. */
type Weights = { first: Int32Array; count: Int32Array; stride: number; values: Int32Array }

const PRECISION_BITS = 22
const HALF = 1 << (PRECISION_BITS - 1)

/** Fit a picture: bytes (canvas, canvas, channels). */
export function fitPicture(rgba: Picture, fit: Fit): Uint8Array<ArrayBuffer> {
  const [width, height] = fit.how === 'pad' ? contained(rgba, fit.size) : [fit.size, fit.size]
  const box: Box = fit.how === 'crop' ? square(rgba) : [0, 0, rgba.width, rgba.height]
  const out = filled(fit)
  if (Math.min(width, height, rgba.width, rgba.height) < 1) return out

  const rgb = resize(rgba, fit.background, box, width, height)
  const margin = Math.floor((fit.canvas - fit.size) / 2)
  const left = margin + roundHalfEven((fit.size - width) / 2)
  const top = margin + roundHalfEven((fit.size - height) / 2)
  for (let y = 0; y < height; y++) {
    let to = ((top + y) * fit.canvas + left) * fit.channels
    for (let from = y * width * 3; from < (y + 1) * width * 3; from += 3) {
      if (fit.channels === 1) out[to++] = luma(rgb[from], rgb[from + 1], rgb[from + 2])
      else {
        out[to++] = rgb[from]
        out[to++] = rgb[from + 1]
        out[to++] = rgb[from + 2]
      }
    }
  }
  return out
}

/** Bytes (h, w, channels) as input of the encoder: (channels, h, w) in 0..1. */
export function toUnit(pixels: Uint8Array, channels: number): Float32Array<ArrayBuffer> {
  const area = pixels.length / channels
  const unit = new Float32Array(pixels.length)
  for (let channel = 0; channel < channels; channel++)
    for (let i = 0; i < area; i++) unit[channel * area + i] = pixels[i * channels + channel] / 255
  return unit
}

/** Grey of an RGB colour, ITU-R 601-2 in 16 bits as Pillow rounds it; a grey colour keeps its value. */
export function luma(red: number, green: number, blue: number): number {
  return (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16
}

function filled({ background, canvas, channels }: Fit): Uint8Array<ArrayBuffer> {
  const colour = channels === 1 ? [luma(...background)] : background
  return new Uint8Array(canvas * canvas * channels).map((_, i) => colour[i % channels])
}

/** Width and height of a picture that just fits into the square (ImageOps.contain). */
function contained({ width, height }: Picture, size: number): [number, number] {
  return width > height
    ? [size, roundHalfEven((height / width) * size)]
    : [roundHalfEven((width / height) * size), size]
}

/** The largest centred square (ImageOps.fit). Its sides are whole or half pixels, so Pillow's float32 holds them. */
function square({ width, height }: Picture): Box {
  const side = Math.min(width, height)
  const left = (width - side) / 2
  const top = (height - side) / 2
  return [left, top, left + side, top + side]
}

/** Python's round(): halves go to the even neighbour. */
function roundHalfEven(x: number): number {
  const below = Math.floor(x)
  const rest = x - below
  return rest > 0.5 || (rest === 0.5 && below % 2 !== 0) ? below + 1 : below
}

/** The box of a picture on a background, as height x width RGB bytes. */
function resize(rgba: Picture, background: Fit['background'], box: Box, width: number, height: number): Uint8Array {
  const across = triangle(rgba.width, box[0], box[2], width)
  const down = triangle(rgba.height, box[1], box[3], height)
  const top = down.first[0]
  const bottom = down.first[height - 1] + down.count[height - 1]
  const rgb = flatten(rgba, background, top, bottom)
  // Since 13.0 Pillow resizes columns first where more than twice as many rows are removed; each pass rounds.
  const lost = rgba.height - height
  return lost > 0 && lost > 2 * (rgba.width - width)
    ? horizontal(vertical(rgb, rgba.width, top, down), rgba.width, across)
    : vertical(horizontal(rgb, rgba.width, across), width, top, down)
}

/** Rows top..bottom of a picture on a background, in RGB (Image.composite). */
function flatten({ width, data }: Picture, background: Fit['background'], top: number, bottom: number): Uint8Array {
  const rgb = new Uint8Array((bottom - top) * width * 3)
  const [red, green, blue] = background
  for (let to = 0, from = top * width * 4; to < rgb.length; to += 3, from += 4) {
    const alpha = data[from + 3]
    if (alpha === 255) {
      rgb[to] = data[from]
      rgb[to + 1] = data[from + 1]
      rgb[to + 2] = data[from + 2]
    } else {
      rgb[to] = blend(red, data[from], alpha)
      rgb[to + 1] = blend(green, data[from + 1], alpha)
      rgb[to + 2] = blend(blue, data[from + 2], alpha)
    }
  }
  return rgb
}

/** under (255 - alpha) / 255 + over alpha / 255, rounded as Pillow's BLEND and DIV255 do. */
function blend(under: number, over: number, alpha: number): number {
  const sum = under * (255 - alpha) + over * alpha + 128
  return ((sum >> 8) + sum) >> 8
}

function horizontal(rgb: Uint8Array, width: number, { first, count, stride, values }: Weights): Uint8Array {
  const out = new Uint8Array((rgb.length / width) * first.length)
  for (let row = 0, to = 0; row < rgb.length; row += width * 3) {
    for (let place = 0; place < first.length; place++) {
      const start = place * stride
      let from = row + first[place] * 3
      let red = HALF
      let green = HALF
      let blue = HALF
      for (let i = start; i < start + count[place]; i++, from += 3) {
        red += rgb[from] * values[i]
        green += rgb[from + 1] * values[i]
        blue += rgb[from + 2] * values[i]
      }
      out[to++] = clip(red)
      out[to++] = clip(green)
      out[to++] = clip(blue)
    }
  }
  return out
}

/** `rgb` begins at row `top` of the picture. */
function vertical(rgb: Uint8Array, width: number, top: number, { first, count, stride, values }: Weights): Uint8Array {
  const line = width * 3
  const out = new Uint8Array(first.length * line)
  const sums = new Int32Array(line)
  for (let place = 0; place < first.length; place++) {
    sums.fill(HALF)
    for (let i = 0; i < count[place]; i++) {
      const weight = values[place * stride + i]
      const from = (first[place] - top + i) * line
      for (let x = 0; x < line; x++) sums[x] += rgb[from + x] * weight
    }
    for (let x = 0; x < line; x++) out[place * line + x] = clip(sums[x])
  }
  return out
}

/** Back to 8 bits. Rounded weights may sum to a little more than one, never to a negative number. */
function clip(sum: number): number {
  return Math.min(255, sum >> PRECISION_BITS)
}

/** Pillow's precompute_coeffs for BILINEAR. The order of the sums is Pillow's: another one rounds otherwise. */
function triangle(length: number, start: number, end: number, places: number): Weights {
  const scale = (end - start) / places
  const support = Math.max(scale, 1)
  const narrow = 1 / support
  const stride = Math.ceil(support) * 2 + 1
  const first = new Int32Array(places)
  const count = new Int32Array(places)
  const values = new Int32Array(places * stride)
  const exact = new Float64Array(stride)
  for (let place = 0; place < places; place++) {
    const centre = start + (place + 0.5) * scale
    first[place] = Math.max(0, Math.trunc(centre - support + 0.5))
    count[place] = Math.min(length, Math.trunc(centre + support + 0.5)) - first[place]
    let total = 0
    for (let i = 0; i < count[place]; i++) {
      exact[i] = Math.max(0, 1 - Math.abs((i + first[place] - centre + 0.5) * narrow))
      total += exact[i]
    }
    for (let i = 0; i < count[place]; i++)
      values[place * stride + i] = Math.trunc(0.5 + (exact[i] / total) * (1 << PRECISION_BITS))
  }
  return { first, count, stride, values }
}
