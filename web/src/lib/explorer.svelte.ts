/** The state of the page: what is shown, the current latent, the history. Components read it and call its actions. */

import { Thumbnails } from '../draw/sheets'
import { host } from '../host/host'
import { say, type Language, type Values, type Word } from '../words'
import { LONGEST, STRONGEST, write, type Address, type Tab } from './address'
import { group, type ColourBy, type Group } from './colours'
import { toUnit } from './fit'
import { Model, type Picture, type Placed } from './model'
import { fitted, percentile, readPicture, type Own } from './own'
import { linear, spherical, type PathKind } from './interpolation'
import { Plane, type Axis } from './plane'
import { reason, errorText, SiteError, type Direction, type Manifest } from './site'
import { isUseful, type Extent } from './view'
import { Wardrobe } from './wardrobe'
import { Search, type Found } from './search'

export interface Item {
  id: number
  z: Float32Array
  picture: Picture | null
  name: string
}

export interface Notice {
  id: number
  text: string
  lasting: boolean
}

/** What undo restores. All of it is replaced, never modified in place. */
interface Moment {
  z: Float32Array
  name: string
  strengths: Readonly<Record<string, number>>
  pins: readonly Item[]
  a: number | null
  b: number | null
  /** The kind of action: further ones of the same kind are undone together. */
  begun: string
}

export interface Slider {
  key: string
  name: string
  /** What it was fitted on or explains, in the current language. */
  title: () => string
  vector: Float32Array
  scale: number
}

const MOST_UNDO = 200
const NOTICE_MS = 6000
const SEARCH_MS = 90

export class Explorer {
  readonly manifest: Manifest
  readonly wardrobe: Wardrobe
  readonly thumbnails: Thumbnails
  readonly sliders: { attributes: Slider[]; axes: Slider[] }
  model = $state.raw<Model | null>(null)
  /** Why there is no model, once that is known, in the language of the moment. */
  modelTrouble = $state.raw<(() => string) | null>(null)

  language = $state<Language>('en')
  theme = $state<'auto' | 'light' | 'dark'>('auto')
  systemDark = $state(false)
  /** Whether grey images are shown inverted; null: in the light theme only. */
  invertGreyChosen = $state<boolean | null>(null)
  still = $state(false)

  xAxis = $state.raw<Axis>({ kind: 'dim', k: 0 })
  yAxis = $state.raw<Axis>({ kind: 'dim', k: 1 })
  p = $state(false)
  grid = $state(false)
  colour = $state.raw<ColourBy>({ by: 'none' })
  hidden = $state.raw<ReadonlySet<string>>(new Set())
  /** What the map shows of the plane, in its units. Pixels are derived from it, and never stored. */
  view = $state.raw<'whole' | Extent>('whole')
  /** Incremented by each link that holds a view, which may show nothing of this run. */
  viewsCame = $state(0)

  /** The held latent and its name; edits start from it. */
  z = $state.raw<Float32Array>(new Float32Array(0))
  name = $state('')
  strengths = $state.raw<Readonly<Record<string, number>>>({})
  /** The latent at the pointer. */
  hover = $state.raw<Float32Array | null>(null)
  /** A latent shown temporarily: a sample, a step of a morph. */
  aside = $state.raw<Float32Array | null>(null)
  picture = $state.raw<{ z: Float32Array; rgba: Picture; asked: number } | null>(null)
  near = $state.raw<Found | null>(null)
  nearTrouble = $state('')

  pins = $state.raw<readonly Item[]>([])
  a = $state<number | null>(null)
  b = $state<number | null>(null)
  t = $state(0.5)
  kind = $state<PathKind>('linear')
  tab = $state<Tab>('edit')
  seed = $state(1)
  prior = $state(0)
  own = $state.raw<Own | null>(null)
  /** The latents of the samples, marked on the map. */
  samples = $state.raw<readonly Float32Array[]>([])

  loaded = $state(0)
  /** Incremented when the map should pan to the held latent. */
  reveal = $state(0)
  sheetsCame = $state(0)
  idsCame = $state(false)
  bytes = $state<Partial<Record<'points' | 'decoder' | 'engine', { loaded: number; total: number }>>>({})
  notices = $state.raw<readonly Notice[]>([])
  shortcutsShown = $state(false)

  private readonly past: Moment[] = []
  private nextId = 1
  private settled = false
  private readonly search: Search
  private searchTimer = 0
  private searchedAt = 0
  undoable = $state(false)

  constructor(manifest: Manifest) {
    this.manifest = manifest
    this.wardrobe = new Wardrobe(manifest)
    this.thumbnails = new Thumbnails(manifest, () => this.wardrobe.tiles)
    this.thumbnails.onFailure = (error) => this.tell(this.sentence(error), true)
    this.search = new Search(
      (found) => (this.near = found),
      (why) => (this.nearTrouble = why),
    )
    const { dimensions } = manifest.latent
    if (dimensions > 2) [this.xAxis, this.yAxis] = [axis('pc', 0), axis('pc', 1)]
    this.z = dimensions > 2 ? this.wardrobe.mean : new Float32Array(dimensions)
    if (!manifest.run.is_stochastic) this.z = this.wardrobe.mean
    this.colour = firstColour(manifest)
    this.sliders = { attributes: [], axes: [] }
  }

  // ------------------------------------------------------------------ reading

  /** Load all files, most useful first. */
  async load(): Promise<void> {
    const model = this.loadModel()
    // The axes first: without them there is no plane to project points onto.
    await this.wardrobe.loadSmall()
    this.makeSliders()
    this.look()
    let due = 0
    await this.wardrobe.loadLatents(
      () => (this.loaded = this.wardrobe.loaded),
      (loaded, total) => {
        // An update for every chunk would take longer than the chunks.
        if (performance.now() < due && loaded < total) return
        due = performance.now() + 50
        this.bytes.points = { loaded, total }
      },
    )
    delete this.bytes.points
    this.search.load(this.wardrobe)
    this.seek()
    await model
    await this.wardrobe.loadRest()
    this.idsCame = true
    this.sheetsCame++
  }

  private async loadModel(): Promise<void> {
    try {
      const model = await Model.open(this.manifest, (part, loaded, total) => {
        this.bytes[part] = { loaded, total }
      })
      model.onFailure = (why) => (this.modelTrouble = () => this.say('modelFailed', { why }))
      this.model = model
    } catch (error) {
      this.modelTrouble = () => this.sentence(error)
    } finally {
      delete this.bytes.decoder
      delete this.bytes.engine
    }
    this.look()
    for (const item of this.pins) void this.picturing(item)
  }

  private makeSliders(): void {
    const { manifest, wardrobe } = this
    manifest.directions.forEach((direction, k) => {
      const { attribute, positives, negatives, scale } = direction
      const title = () => this.say('fittedOn', { positives, negatives })
      const name = attribute.replaceAll('_', ' ')
      this.sliders.attributes.push({ key: `d${k}`, name, title, vector: wardrobe.direction(k), scale })
    })
    manifest.axes.forEach(({ scale, share }, k) => {
      const title = () => this.say('explains', { share: percent(share) })
      this.sliders.axes.push({ key: `a${k}`, name: String(k + 1), title, vector: wardrobe.axis(k), scale })
    })
    this.slidersReady = true
  }
  slidersReady = $state(false)

  // ------------------------------------------------------------------ words

  say(word: Word, values: Values = {}): string {
    return say(this.language, word, values)
  }

  /** An error, in the user's language. */
  sentence(error: unknown): string {
    return error instanceof SiteError ? errorText(error, this.language) : this.say('pageFailed', { why: reason(error) })
  }

  tell(text: string, lasting = false): void {
    const notice = { id: this.nextId++, text, lasting }
    if (this.notices.some((other) => other.text === text)) return
    this.notices = [...this.notices, notice]
    if (!lasting) setTimeout(() => this.dismiss(notice.id), NOTICE_MS)
  }

  dismiss(id: number): void {
    this.notices = this.notices.filter((notice) => notice.id !== id)
  }

  // ------------------------------------------------------------------ what is shown

  get grey(): boolean {
    return this.manifest.image.channels === 1
  }
  get dark(): boolean {
    return this.theme === 'auto' ? this.systemDark : this.theme === 'dark'
  }
  get invertsGrey(): boolean {
    return this.grey && (this.invertGreyChosen ?? !this.dark)
  }
  /** Whether p = Phi(z) is meaningful for the axes shown. */
  get canP(): boolean {
    return this.manifest.run.is_stochastic && this.xAxis.kind === 'dim' && this.yAxis.kind === 'dim'
  }
  get plane(): Plane {
    return this.planeNow
  }
  private readonly planeNow = $derived.by(() => {
    void this.slidersReady // the axes are loaded before the first row
    return new Plane(
      { d: this.wardrobe.d, mean: this.wardrobe.mean, axis: (k) => this.wardrobe.axis(k) },
      this.xAxis,
      this.yAxis,
      this.p && this.canP,
    )
  })

  private readonly grouped = $derived.by(() => {
    void this.loaded
    return group(this.wardrobe, this.colour, {
      unknown: this.say('unlabelled'),
      has: this.say('has'),
      lacks: this.say('lacks'),
      all: this.say('all'),
    })
  })
  get groups(): Group[] {
    return this.grouped.groups
  }
  get groupOf(): Uint8Array {
    return this.grouped.of
  }

  colourBy(colour: ColourBy): void {
    this.colour = colour
    this.hidden = new Set()
  }

  toggle(key: string): void {
    const hidden = new Set(this.hidden)
    if (!hidden.delete(key)) hidden.add(key)
    this.hidden = hidden
  }

  /** Show one group alone, or all again if it already is. */
  only(key: string): void {
    const others = this.groups.map((one) => one.key).filter((one) => one !== key)
    const alone = others.every((one) => this.hidden.has(one)) && !this.hidden.has(key)
    this.hidden = new Set(alone ? [] : others)
  }

  axisName(one: Axis): string {
    if (one.kind === 'dim') return this.say('dimension', { k: String(one.k) })
    return this.say('principal', { k: String(one.k + 1), share: percent(this.manifest.axes[one.k]?.share ?? 0) })
  }

  // ------------------------------------------------------------------ the current latent

  /** The held latent, with the edits. */
  get edited(): Float32Array {
    return this.editedNow
  }
  private readonly editedNow = $derived.by(() => {
    const used = Object.entries(this.strengths).filter(([, strength]) => strength !== 0)
    if (used.length === 0 || !this.slidersReady) return this.z
    const z = this.z.slice()
    for (const [key, strength] of used) {
      const slider = this.slider(key)
      if (slider) for (let i = 0; i < z.length; i++) z[i] += strength * slider.scale * slider.vector[i]
    }
    return z
  })

  slider(key: string): Slider | undefined {
    return this.sliders[key.startsWith('d') ? 'attributes' : 'axes'][Number(key.slice(1))]
  }

  /** The latent whose image is shown large. */
  get shown(): Float32Array {
    return this.hover ?? this.aside ?? this.edited
  }

  /** Decode the shown latent. */
  look(asked = performance.now()): void {
    const z = this.shown
    this.model?.live(z, (rgba) => {
      this.picture = { z, rgba, asked }
      this.modelTrouble = null
    })
    this.seek()
  }

  /** The pointer is over a point of the map; `asked` is the time, for benchmarks. */
  hoverAt(x: number, y: number, asked: number): void {
    this.hover = this.plane.place(x, y, this.edited)
    this.look(asked)
  }

  /** The pointer has left: return to the held latent, or hold the current one if there is none. */
  leave(): void {
    if (!this.hover) return
    if (!this.settled) this.z = this.hover
    this.hover = null
    this.look()
  }

  /** Hold the latent at the pointer. */
  settle(): void {
    if (!this.hover) return
    this.goTo(this.hover, '')
  }

  /** Hold a latent, and pan the map to it. */
  goTo(z: Float32Array, name: string): void {
    this.remember()
    this.reveal++
    this.settled = true
    this.z = z
    this.name = name
    this.strengths = {}
    this.hover = this.aside = null
    this.look()
  }

  /** Move the probe over the map by map units. */
  step(dx: number, dy: number): void {
    const z = this.edited
    const [x, y] = this.plane.point(z)
    this.remember('step')
    this.settled = true
    this.z = this.plane.place(x + dx, y + dy, z)
    this.strengths = {}
    this.hover = this.aside = null
    this.look()
  }

  /** Whether the coordinates off the plane are those of the mean of all images. */
  get throughMean(): boolean {
    const { mean } = this.wardrobe
    const [x, y] = this.plane.point(this.z)
    const there = this.plane.place(x, y, mean)
    return there.every((value, i) => Math.abs(value - this.z[i]) < 1e-4)
  }

  /** Show a latent temporarily; null ends that. */
  glance(z: Float32Array | null): void {
    // With the keyboard, the pointer does not count.
    if (z) this.hover = null
    this.aside = z
    this.look()
  }

  private seek(): void {
    clearTimeout(this.searchTimer)
    if (this.loaded < this.wardrobe.n) return
    const run = () => {
      this.searchedAt = performance.now()
      this.search.nearest(this.shown)
    }
    const wait = this.searchedAt + SEARCH_MS - performance.now()
    if (wait <= 0) run()
    else this.searchTimer = window.setTimeout(run, wait)
  }

  // ------------------------------------------------------------------ edits

  setStrength(key: string, strength: number): void {
    const value = Math.min(Math.max(strength, -STRONGEST), STRONGEST)
    this.remember(`edit ${key}`)
    this.settled = true
    this.strengths = { ...this.strengths, [key]: value }
    this.hover = this.aside = null
    this.look()
  }

  resetStrengths(): void {
    if (Object.values(this.strengths).every((value) => value === 0)) return
    this.remember()
    this.strengths = {}
    this.look()
  }

  // ------------------------------------------------------------------ the pins

  /** Pin the shown latent, and hold it. */
  pin(z = this.shown, name = ''): Item {
    this.remember()
    const item: Item = { id: this.nextId++, z, picture: null, name: name || (z === this.z ? this.name : '') }
    this.pins = this.withRoom(item)
    this.settled = true
    this.z = z
    this.name = item.name
    this.strengths = {}
    this.aside = null
    if (this.hover) this.hover = z
    void this.picturing(item)
    this.look()
    return item
  }

  /** Add pins; the oldest are removed where there is no room. */
  private withRoom(...items: Item[]): Item[] {
    return [...this.pins, ...items].slice(-host.room)
  }

  pinAll(places: readonly Float32Array[]): void {
    this.remember()
    const items = places.map((z) => ({ id: this.nextId++, z, picture: null, name: '' }))
    this.pins = this.withRoom(...items)
    for (const item of items) void this.picturing(item)
  }

  /** Set the pins to these latents; pins that are already there stay the same items. */
  setPins(places: readonly Float32Array[]): void {
    const same = (a: Float32Array, b?: Float32Array) => b !== undefined && a.every((value, i) => value === b[i])
    if (places.length === this.pins.length && places.every((z, k) => same(z, this.pins[k].z))) return
    this.remember()
    const left = [...this.pins]
    this.pins = places.map((z) => {
      const known = left.findIndex((item) => same(z, item.z))
      return known < 0 ? { id: this.nextId++, z, picture: null, name: '' } : left.splice(known, 1)[0]
    })
    if (!this.item(this.a)) this.a = null
    if (!this.item(this.b)) this.b = null
    for (const item of this.pins) void this.picturing(item)
  }

  drop(id: number): void {
    this.remember()
    this.pins = this.pins.filter((item) => item.id !== id)
    if (this.a === id) this.a = null
    if (this.b === id) this.b = null
  }

  /** Move a pin to another position. */
  reorder(id: number, to: number): void {
    const from = this.pins.findIndex((item) => item.id === id)
    const target = Math.min(Math.max(to, 0), this.pins.length - 1)
    if (from < 0 || from === target) return
    this.remember()
    const pins = [...this.pins]
    pins.splice(target, 0, ...pins.splice(from, 1))
    this.pins = pins
  }

  item(id: number | null): Item | undefined {
    return id === null ? undefined : this.pins.find((item) => item.id === id)
  }

  private async picturing(item: Item): Promise<void> {
    if (!this.model || item.picture) return
    const picture = await this.model.picture(item.z)
    this.pins = this.pins.map((other) => (other.id === item.id ? { ...other, picture } : other))
  }

  // ------------------------------------------------------------------ morphing

  setSlot(slot: 'a' | 'b', id: number): void {
    this.remember()
    this[slot] = id
    this.tab = 'morph'
    this.between()
  }

  /** The latent at t between A and B; null if a slot is empty. */
  along(t: number): Float32Array | null {
    const [a, b] = [this.item(this.a), this.item(this.b)]
    if (!a || !b) return null
    if (t <= 0 || t >= 1) return t <= 0 ? a.z : b.z
    return (this.kind === 'linear' ? linear : spherical)(a.z, b.z, t)
  }

  /** Show the latent at the scrubber. */
  between(): void {
    this.glance(this.along(this.t))
  }

  /** Draw and show new samples. */
  drawAgain(): void {
    if (this.tab === 'sample') this.seed++
    else this.tab = 'sample'
  }

  // ------------------------------------------------------------------ the user's image

  /** Read, preprocess and encode an image, without sending it anywhere. */
  async bring(file: File): Promise<void> {
    this.tab = 'yourImage'
    try {
      const { picture, pixels } = await readPicture(file)
      this.own?.picture.close()
      const { shown } = fitted(pixels, this.manifest.fit, false)
      const name = file.name
      this.own = { name, picture, pixels, inverted: false, fitted: shown, placed: null, percentile: null }
      await this.placeOwn(false)
    } catch (error) {
      this.tell(this.sentence(error), true)
    }
  }

  /** Invert the image: some data sets are light on black. */
  async invertOwn(inverted: boolean): Promise<void> {
    try {
      await this.placeOwn(inverted)
    } catch (error) {
      this.tell(this.sentence(error), true)
    }
  }

  private async placeOwn(inverted: boolean): Promise<void> {
    const { own, model, manifest } = this
    if (!own) return
    const { bytes, shown } = fitted(own.pixels, manifest.fit, inverted)
    this.own = { ...own, inverted, fitted: shown, placed: null, percentile: null }
    if (!model) return
    let placed: Placed
    try {
      placed = await model.place(toUnit(bytes, manifest.fit.channels))
    } catch (error) {
      throw new SiteError('noEncoder', { why: this.sentence(error) })
    }
    if (this.own?.pixels !== own.pixels) return // another image was chosen meanwhile
    const usual = manifest.error_percentiles
    this.own = { ...this.own, placed, percentile: usual ? percentile(placed.error, usual.percentiles) : null }
    this.goTo(placed.z, this.say('yourPicture'))
  }

  // ------------------------------------------------------------------ undo

  private remember(begun = ''): void {
    if (begun && this.past.at(-1)?.begun === begun) return
    const { z, name, strengths, pins, a, b } = this
    this.past.push({ z, name, strengths, pins, a, b, begun })
    if (this.past.length > MOST_UNDO) this.past.shift()
    this.undoable = true
  }

  undo(): void {
    const moment = this.past.pop()
    if (!moment) return
    this.undoable = this.past.length > 0
    const { z, name, strengths, a, b } = moment
    Object.assign(this, { z, name, strengths, a, b })
    const now = new Map(this.pins.map((item) => [item.id, item]))
    this.pins = moment.pins.map((item) => now.get(item.id) ?? item)
    for (const item of this.pins) void this.picturing(item)
    this.hover = this.aside = null
    this.look()
  }

  // ------------------------------------------------------------------ the address

  address(withPins = true): Address {
    const place = (id: number | null) => this.pins.findIndex((item) => item.id === id)
    const slots = (withPins || host.storesPins) && (this.a !== null || this.b !== null)
    return {
      language: this.language,
      z: this.settled ? this.z : undefined,
      view: this.view === 'whole' ? undefined : this.view,
      xAxis: this.wardrobe.d > 2 ? this.xAxis : undefined,
      yAxis: this.wardrobe.d > 2 ? this.yAxis : undefined,
      p: this.p || undefined,
      grid: this.grid || undefined,
      colour: this.colour,
      hidden: [...this.hidden],
      tab: this.tab,
      strengths: { ...this.strengths },
      pins: withPins && !host.storesPins ? this.pins.map((item) => item.z) : [],
      morph: slots ? { a: place(this.a), b: place(this.b), t: this.t, kind: this.kind } : undefined,
      sample: this.seed === 1 && this.prior === 0 ? undefined : { seed: this.seed, prior: this.prior },
    }
  }

  /** The address, without the pins if it would be too long, and whether they were left out. */
  hash(): { text: string; whole: boolean } {
    const text = write(this.address())
    return text.length <= LONGEST ? { text, whole: true } : { text: write(this.address(false)), whole: false }
  }

  /** Show another plane with all its points: a view belongs to one plane. */
  showPlane(change: { xAxis?: Axis; yAxis?: Axis; p?: boolean }): void {
    Object.assign(this, change)
    this.view = 'whole'
  }

  /** Whether a link's view can show any points, judged before rows are loaded. */
  private mayShow(view: Extent): boolean {
    if (this.p && this.canP) return isUseful(view, { x: 0.5, y: 0.5, width: 1, height: 1 })
    const { axes, latent } = this.manifest
    const side = ({ kind, k }: Axis) =>
      kind === 'pc' ? { middle: 0, spread: axes[k].scale } : { middle: latent.mean[k] ?? 0, spread: latent.spread[k] ?? 0 }
    const [x, y] = [side(this.xAxis), side(this.yAxis)]
    const spread = Math.max(x.spread, y.spread) || 1
    return isUseful(view, { x: x.middle, y: y.middle, width: spread, height: spread }, 1e4)
  }

  /** Apply a link, as far as this run supports it, and the pins where they are stored apart. */
  restore(address: Address, pins = address.pins): void {
    const { manifest } = this
    if (address.z) {
      this.z = address.z
      this.settled = true
    }
    this.strengths = {}
    const fits = (one: Axis) => one.k < (one.kind === 'pc' ? manifest.axes.length : this.wardrobe.d)
    if (this.wardrobe.d > 2) {
      if (address.xAxis && fits(address.xAxis)) this.xAxis = address.xAxis
      if (address.yAxis && fits(address.yAxis)) this.yAxis = address.yAxis
    }
    this.p = address.p ?? false
    this.view = address.view && this.mayShow(address.view) ? address.view : 'whole'
    if (address.view) this.viewsCame++
    this.grid = address.grid ?? false
    const { colour } = address
    const known = colour?.by !== 'attribute' || manifest.data.attributes.includes(colour.name)
    if (colour && known && (colour.by !== 'class' || manifest.data.classes.length > 0)) this.colour = colour
    this.hidden = new Set(address.hidden ?? [])
    if (address.tab) this.tab = address.tab
    const exists = (key: string) => Number(key.slice(1)) < manifest[key.startsWith('d') ? 'directions' : 'axes'].length
    this.strengths = Object.fromEntries(Object.entries(address.strengths ?? {}).filter(([key]) => exists(key)))
    this.pins = (pins ?? []).map((z) => ({ id: this.nextId++, z, picture: null, name: '' }))
    if (address.morph) {
      this.a = this.pins[address.morph.a]?.id ?? null
      this.b = this.pins[address.morph.b]?.id ?? null
      this.t = address.morph.t
      this.kind = address.morph.kind
    }
    if (address.sample && manifest.priors[address.sample.prior]) Object.assign(this, address.sample)
    for (const item of this.pins) void this.picturing(item)
    this.hover = this.aside = null
    this.look()
  }
}

/** The classes, or the attribute that is known for most images, balanced and well separated. */
function firstColour({ data, directions }: Manifest): ColourBy {
  if (data.classes.length > 0) return { by: 'class' }
  const worth = (one: Direction) => Math.min(one.positives, one.negatives) * one.separation
  const best = directions.toSorted((a, b) => worth(b) - worth(a))[0]
  return best ? { by: 'attribute', name: best.attribute } : { by: 'none' }
}

const axis = (kind: Axis['kind'], k: number): Axis => ({ kind, k })

/** A share in percent, with one decimal if it is small. */
export const percent = (share: number): string => (100 * share).toFixed(share < 0.1 ? 1 : 0)
