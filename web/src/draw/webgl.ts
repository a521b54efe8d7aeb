/** Points on the map, drawn on the GPU with WebGL 2. */

import type { Size, View } from '../lib/view'
import { dotOpacity, dotSize, type Cloud, type PointRenderer } from './points'

const VERTEX = `#version 300 es
in vec2 here, before;
in float group;
uniform vec2 middle, halves;
uniform float scale, glide, side, opacity;
uniform sampler2D colours;
out vec4 colour;
void main() {
  vec4 tint = texelFetch(colours, ivec2(int(group), 0), 0);
  gl_Position = vec4((mix(before, here, glide) - middle) * scale / halves, 0.0, 1.0);
  if (tint.a == 0.0) gl_Position = vec4(2.0, 2.0, 2.0, 1.0);
  gl_PointSize = side;
  colour = vec4(tint.rgb * opacity, opacity);
}`

const FRAGMENT = `#version 300 es
precision mediump float;
in vec4 colour;
out vec4 pixel;
void main() {
  vec2 off = gl_PointCoord - 0.5;
  if (dot(off, off) > 0.28) discard;
  pixel = colour;
}`

/** Names of software renderers, which are slower than drawing the pixels directly. */
const SOFTWARE = /swiftshader|llvmpipe|softpipe|software|basic render|mesa offscreen/i

/** Whether WebGL 2 runs on a GPU here. */
export function hasGraphics(): boolean {
  const canvas = document.createElement('canvas')
  const gl = canvas.getContext('webgl2', { failIfMajorPerformanceCaveat: true })
  if (!gl) return false
  const known = gl.getExtension('WEBGL_debug_renderer_info')
  const name = String(gl.getParameter(known ? known.UNMASKED_RENDERER_WEBGL : gl.RENDERER))
  gl.getExtension('WEBGL_lose_context')?.loseContext()
  return !SOFTWARE.test(name)
}

export class GraphicsPoints implements PointRenderer {
  readonly name = 'webgl'
  private readonly gl: WebGL2RenderingContext
  private readonly program: WebGLProgram
  private readonly buffers: Record<'here' | 'before' | 'group', WebGLBuffer>
  private ratio = 1
  private drawn: { xs?: Float32Array; from?: Float32Array; groups?: Uint8Array; n: number } = { n: -1 }

  constructor(private readonly canvas: HTMLCanvasElement) {
    const gl = canvas.getContext('webgl2', { antialias: false, premultipliedAlpha: true })
    if (!gl) throw new Error('no WebGL 2')
    this.gl = gl
    this.program = link(gl)
    const make = () => gl.createBuffer()
    this.buffers = { here: make(), before: make(), group: make() }
    gl.bindTexture(gl.TEXTURE_2D, gl.createTexture())
    for (const side of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, side, gl.NEAREST)
  }

  resize(size: Size, ratio: number): void {
    this.ratio = ratio
    this.canvas.width = Math.max(1, Math.round(size.width * ratio))
    this.canvas.height = Math.max(1, Math.round(size.height * ratio))
    this.gl.viewport(0, 0, this.canvas.width, this.canvas.height)
  }

  draw(cloud: Cloud, view: View, opacity: number, changed: boolean): void {
    const { gl } = this
    gl.clearColor(0, 0, 0, 0)
    gl.clear(gl.COLOR_BUFFER_BIT)
    if (opacity <= 0 || cloud.n === 0) return
    gl.useProgram(this.program)
    this.upload(cloud, changed)
    const set = (name: string, ...values: number[]) => {
      const at = gl.getUniformLocation(this.program, name)
      if (values.length === 1) gl.uniform1f(at, values[0])
      else gl.uniform2f(at, values[0], values[1])
    }
    set('middle', view.x, view.y)
    set('halves', this.canvas.width / 2, this.canvas.height / 2)
    set('scale', view.scale * this.ratio)
    set('glide', cloud.from?.t ?? 1)
    set('side', Math.max(1, Math.round(dotSize(cloud.n) * this.ratio)))
    set('opacity', dotOpacity(cloud.n) * opacity)
    gl.enable(gl.BLEND)
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA)
    gl.drawArrays(gl.POINTS, 0, cloud.n)
  }

  private upload(cloud: Cloud, changed: boolean): void {
    const { gl, drawn } = this
    const from = cloud.from?.xs
    if (changed || drawn.n !== cloud.n || drawn.xs !== cloud.xs) this.fill('here', interleave(cloud.xs, cloud.ys, cloud.n), 2)
    if (changed || drawn.n !== cloud.n || drawn.from !== from || drawn.xs !== cloud.xs) {
      const before = cloud.from ?? cloud
      this.fill('before', interleave(before.xs, before.ys, cloud.n), 2)
    }
    if (changed || drawn.n !== cloud.n || drawn.groups !== cloud.groups) this.fill('group', cloud.groups.subarray(0, cloud.n), 1)
    if (changed || drawn.n < 0) {
      const texture = new Uint8Array(256 * 4)
      cloud.colours.forEach((rgb, k) => texture.set([...rgb, cloud.shown[k] ? 255 : 0], 4 * k))
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, 256, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE, texture)
    }
    this.drawn = { xs: cloud.xs, from, groups: cloud.groups, n: cloud.n }
  }

  private fill(name: 'here' | 'before' | 'group', values: Float32Array | Uint8Array, width: number): void {
    const { gl } = this
    gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers[name])
    gl.bufferData(gl.ARRAY_BUFFER, values, gl.STATIC_DRAW)
    const at = gl.getAttribLocation(this.program, name)
    gl.enableVertexAttribArray(at)
    gl.vertexAttribPointer(at, width, width === 1 ? gl.UNSIGNED_BYTE : gl.FLOAT, false, 0, 0)
  }

  dispose(): void {
    this.gl.getExtension('WEBGL_lose_context')?.loseContext()
  }
}

function link(gl: WebGL2RenderingContext): WebGLProgram {
  const program = gl.createProgram()
  for (const [kind, source] of [
    [gl.VERTEX_SHADER, VERTEX],
    [gl.FRAGMENT_SHADER, FRAGMENT],
  ] as const) {
    const shader = gl.createShader(kind)
    if (!shader) throw new Error('no shader')
    gl.shaderSource(shader, source)
    gl.compileShader(shader)
    gl.attachShader(program, shader)
  }
  gl.linkProgram(program)
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program) ?? 'no program')
  return program
}

function interleave(xs: Float32Array, ys: Float32Array, n: number): Float32Array {
  const points = new Float32Array(2 * n)
  for (let i = 0; i < n; i++) {
    points[2 * i] = xs[i]
    points[2 * i + 1] = ys[i]
  }
  return points
}
