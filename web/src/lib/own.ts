/** The user's image: read, preprocessed like the training data, and compared with the held-out errors. */

import { fitPicture, type Fit } from './fit'
import type { Picture, Placed } from './model'
import { SiteError } from './site'

export const MAX_PIXELS = 64_000_000
/** The percentile of the held-out images' errors from which on an image is an outlier. */
export const UNUSUAL = 99

export interface Own {
  name: string
  picture: ImageBitmap
  pixels: ImageData
  inverted: boolean
  fitted: Picture
  placed: Placed | null
  /** Percentage of the held-out images with a smaller error; null if unknown. */
  percentile: number | null
}

/** Decode an image upright, without colour management. */
export async function readPicture(file: File): Promise<{ picture: ImageBitmap; pixels: ImageData }> {
  let picture: ImageBitmap
  try {
    const options = { imageOrientation: 'from-image', colorSpaceConversion: 'none', premultiplyAlpha: 'none' } as const
    picture = await createImageBitmap(file, options)
  } catch {
    throw new SiteError('notAPicture', { name: file.name })
  }
  const { width, height } = picture
  if (width * height > MAX_PIXELS) {
    picture.close()
    throw new SiteError('tooLarge', { name: file.name, pixels: Math.round((width * height) / 1e6) })
  }
  const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true })
  if (!context) throw new SiteError('notAPicture', { name: file.name })
  context.drawImage(picture, 0, 0)
  return { picture, pixels: context.getImageData(0, 0, width, height) }
}

/** The preprocessed image: bytes (h, w, c), and the same as RGBA for display. */
export function fitted(pixels: ImageData, fit: Fit, inverted: boolean): { bytes: Uint8Array; shown: Picture } {
  const bytes = fitPicture(inverted ? inverse(pixels) : pixels, fit)
  const count = bytes.length / fit.channels
  const shown = new Uint8ClampedArray(count * 4)
  for (let i = 0; i < count; i++)
    for (let c = 0; c < 4; c++) shown[4 * i + c] = c === 3 ? 255 : bytes[i * fit.channels + (fit.channels === 3 ? c : 0)]
  return { bytes, shown }
}

function inverse(pixels: ImageData): ImageData {
  const data = pixels.data.slice()
  for (let i = 0; i < data.length; i++) if (i % 4 !== 3) data[i] = 255 - data[i]
  return new ImageData(data, pixels.width, pixels.height)
}

/** Percentage of the held-out images with a smaller error. */
export function percentile(error: number, percentiles: readonly number[]): number {
  let below = 0
  while (below < 100 && percentiles[below + 1] < error) below++
  return error <= percentiles[0] ? 0 : below
}
