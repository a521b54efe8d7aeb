/** The site's files: their types (docs/site.md), and how to load them. */

import { host } from '../host/host'
import type { Fit } from './fit'
import { say, type Language, type Values, type Word } from '../words'

export const FORMAT = 'armoire-site'
export const VERSION = 1

export interface FileEntry {
  path: string
  bytes: number
  sha256: string
}

export interface Manifest {
  format: string
  version: number
  run: { name: string; recipe: string; is_stochastic: boolean; beta: number; model_sha256: string }
  data: {
    name: string
    splits: string[]
    split_sizes: number[]
    held_out: string
    classes: { name: string; colour: string }[]
    attributes: string[]
    shown: number
    of: number
  }
  image: { height: number; width: number; channels: 1 | 3 }
  fit: Fit
  latent: { dimensions: number; mean: number[]; spread: number[] }
  files: Partial<Record<FileName, FileEntry>>
  sheets: Sheets | null
  axes: { scale: number; share: number }[]
  directions: Direction[]
  priors: PriorEntry[]
  error_percentiles: { percentiles: number[]; images: number } | null
  diagnostics: Diagnostics | null
}

export type FileName =
  | 'encoder'
  | 'decoder'
  | 'latents'
  | 'labels'
  | 'splits'
  | 'attributes'
  | 'ids'
  | 'axes'
  | 'directions'
  | 'tiles'
  | 'draws_gmm'
  | 'draws_flow'
  | 'draws_neighbours'
  | 'sources_neighbours'

export interface Sheets {
  side: number
  columns: number
  per_sheet: number
  files: { path: string; bytes: number }[]
}

export interface Direction {
  attribute: string
  method: string
  scale: number
  positives: number
  negatives: number
  separation: number
  steadiness: number
}

/**
 * Fitted priors are drawn from in advance: `file` has the samples to choose from. `sources` has, for each of them, the
 * weights of the training images whose latents it is an average of, by name.
 */
export type PriorEntry =
  | { kind: 'normal' }
  | { kind: 'box'; low: number[]; high: number[] }
  | { kind: 'gmm' | 'flow'; file: 'draws_gmm' | 'draws_flow' }
  | { kind: 'neighbours'; file: 'draws_neighbours'; sources?: 'sources_neighbours' }

export interface Diagnostics {
  split: string
  n: number
  ks: number[]
  ks_max: number
  ks_mean: number
  active_units: number
  spread: number
  areas?: {
    empty: number
    data_share?: Record<string, number>
    area_share?: Record<string, number>
    area_mismatch?: number
  }
}

/** An error with a sentence in the user's language. */
export class SiteError extends Error {
  constructor(
    readonly word: Word,
    readonly values: Values = {},
  ) {
    super(word)
  }
}

/** The sentence of a SiteError, with what the user can do about it in this host. */
export function errorText(error: SiteError, language: Language): string {
  return say(language, error.word, { again: say(language, host.again), ...error.values })
}

/** The manifest; throws a SiteError if there is none that this page can show. */
export async function readManifest(): Promise<Manifest> {
  let found: Manifest
  try {
    const answer = await host.data('manifest.json')
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`)
    found = await answer.json()
  } catch (error) {
    throw new SiteError('noManifest', { why: reason(error) })
  }
  if (found?.format !== FORMAT) throw new SiteError('notASite')
  if (found.version > VERSION) throw new SiteError('newerSite', { version: found.version })
  return found
}

/**
 * The bytes of a file, reported as they arrive.
 *
 * @param onBytes called with the number of bytes received, and their buffer.
 * @param check compares the SHA-256 too, where the browser can (on https and localhost): nothing else detects a flipped
 *   bit in a model.
 */
export async function readFile(
  entry: { path: string; bytes: number; sha256?: string },
  onBytes?: (loaded: number, buffer: ArrayBuffer) => void,
  check = false,
): Promise<ArrayBuffer> {
  const buffer = new ArrayBuffer(entry.bytes)
  const target = new Uint8Array(buffer)
  let loaded = 0
  try {
    const answer = await host.data(entry.path)
    if (!answer.ok || !answer.body) throw new Error(`HTTP ${answer.status}`)
    const reader = answer.body.getReader()
    for (;;) {
      const { done, value } = await reader.read()
      if (done) break
      if (loaded + value.length <= entry.bytes) target.set(value, loaded)
      loaded += value.length
      onBytes?.(Math.min(loaded, entry.bytes), buffer)
    }
  } catch (error) {
    throw new SiteError('missingFile', { path: entry.path, why: reason(error) })
  }
  const values = { path: entry.path, bytes: loaded, expected: entry.bytes }
  if (loaded !== entry.bytes) throw new SiteError('shortFile', values)
  if (check && entry.sha256 && globalThis.crypto?.subtle) {
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', buffer))
    const hex = Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('')
    if (hex !== entry.sha256) throw new SiteError('changedFile', values)
  }
  return buffer
}

/** The reason of an error, in a few words. */
export function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
