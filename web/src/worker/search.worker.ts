/** Search of the nearest images, in a worker. */

import { nearest } from '../lib/neighbours'

export type SearchRequest =
  | { kind: 'load'; latents: Float32Array; n: number; d: number }
  | { kind: 'nearest'; id: number; z: Float32Array; k: number }
export type SearchAnswer = { id: number; rows: Uint32Array; distances: Float32Array }

let cloud: { latents: Float32Array; n: number; d: number } = { latents: new Float32Array(0), n: 0, d: 1 }

self.onmessage = ({ data }: MessageEvent<SearchRequest>) => {
  if (data.kind === 'load') {
    cloud = data
  } else {
    const found = nearest(cloud.latents, cloud.n, cloud.d, data.z, data.k)
    self.postMessage({ id: data.id, ...found } satisfies SearchAnswer)
  }
}
