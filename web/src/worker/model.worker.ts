/** Decoder and encoder in a worker, so that the page never waits for them. */

import * as ort from 'onnxruntime-web/wasm'
import type { Answer, Request } from './protocol'

ort.env.wasm.numThreads = 1

let decoder: ort.InferenceSession | null = null
let encoder: ort.InferenceSession | null = null
const shape = { height: 0, width: 0, channels: 1 }

const post = (answer: Answer, transfer: Transferable[] = []) => self.postMessage(answer, { transfer })

self.onmessage = async ({ data }: MessageEvent<Request>) => {
  try {
    if (data.kind === 'load') {
      Object.assign(shape, data.image)
      ort.env.wasm.wasmBinary = data.engine
      decoder = await ort.InferenceSession.create(new Uint8Array(data.decoder), { executionProviders: ['wasm'] })
      // A warm-up: the first run allocates memory.
      await decode(new Float32Array(data.d), data.d)
      post({ id: data.id, kind: 'loaded' })
    } else if (data.kind === 'encoder') {
      encoder = await ort.InferenceSession.create(new Uint8Array(data.encoder), { executionProviders: ['wasm'] })
      post({ id: data.id, kind: 'loaded' })
    } else if (data.kind === 'decode') {
      const start = performance.now()
      const rgba = pictures(await decode(data.z, data.d), data.z.length / data.d)
      post({ id: data.id, kind: 'pictures', rgba, ms: performance.now() - start }, [rgba.buffer])
    } else if (data.kind === 'place') {
      post(await place(data.id, data.x))
    }
  } catch (error) {
    post({ id: data.id, kind: 'failed', why: error instanceof Error ? error.message : String(error) })
  }
}

async function decode(z: Float32Array, d: number): Promise<Float32Array> {
  if (!decoder) throw new Error('no decoder')
  const input = new ort.Tensor('float32', z, [z.length / d, d])
  const { image } = await decoder.run({ z: input })
  return image.data as Float32Array
}

/** The latent of an image, its reconstruction, and the mean squared error between the two. */
async function place(id: number, x: Float32Array): Promise<Answer> {
  if (!encoder) throw new Error('no encoder')
  const { height, width, channels } = shape
  const { mean } = await encoder.run({ x: new ort.Tensor('float32', x, [1, channels, height, width]) })
  const z = Float32Array.from(mean.data as Float32Array)
  const again = await decode(z, z.length)
  let error = 0
  for (let i = 0; i < x.length; i++) error += (x[i] - again[i]) ** 2
  return { id, kind: 'placed', z, rgba: pictures(again, 1), error: error / x.length }
}

/** Planar values in [0, 1] as RGBA bytes, rounded, images concatenated. */
function pictures(values: Float32Array, n: number): Uint8ClampedArray<ArrayBuffer> {
  const pixels = shape.height * shape.width
  const rgba = new Uint8ClampedArray(n * pixels * 4)
  const colour = shape.channels === 3
  for (let i = 0; i < n; i++) {
    const from = i * pixels * shape.channels
    for (let k = 0, at = i * pixels * 4; k < pixels; k++, at += 4) {
      const red = from + k
      rgba[at] = values[red] * 255
      rgba[at + 1] = values[colour ? red + pixels : red] * 255
      rgba[at + 2] = values[colour ? red + 2 * pixels : red] * 255
      rgba[at + 3] = 255
    }
  }
  return rgba
}
