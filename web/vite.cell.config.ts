/** The explorer in a notebook, `vite build --config vite.cell.config.ts --mode cell | widget`: two files, each whole in itself. */

import { createHash } from 'node:crypto'
import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig, type Plugin } from 'vite'

/** One document in the place of script and style. The frame is handed it as text: it can fetch nothing, and may not. */
function whole(): Plugin {
  return {
    name: 'whole',
    generateBundle: {
      order: 'post', // styles come last
      handler(_options, bundle) {
        let [script, style] = ['', '']
        for (const [name, file] of Object.entries(bundle)) {
          if (file.type === 'chunk' && !script) script = file.code
          else if (file.type === 'asset' && name.endsWith('.css')) style += String(file.source)
          // The engine: its name stands in the worker, which is given the bytes.
          else if (!name.endsWith('.wasm')) throw new Error(`${name} would be a file beside the document`)
          delete bundle[name]
        }
        this.emitFile({ type: 'asset', fileName: 'cell.html', source: page(script, style) })
      },
    },
  }
}

function page(script: string, style: string): string {
  const inline = script.replaceAll('</script', '<\\/script').replaceAll('<!--', '<\\!--')
  const digest = createHash('sha256').update(inline).digest('base64')
  const policy = [
    "default-src 'none'",
    `script-src 'sha256-${digest}' 'wasm-unsafe-eval' blob:`,
    "style-src 'unsafe-inline'",
    'img-src data: blob:',
    'worker-src blob: data:',
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ')
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<title>armoire</title>
<style>${style.replaceAll('</style', '<\\/style')}</style>
</head>
<body>
<div id="app"></div>
<script type="module">${inline}</script>
</body>
</html>
`
}

export default defineConfig(({ mode }) => ({
  base: './',
  plugins: mode === 'cell' ? [svelte(), whole()] : [],
  publicDir: false as const,
  // Classic ones: a module from a blob is refused in a frame of no origin.
  worker: { format: 'iife' as const },
  build: {
    target: 'es2022',
    outDir: '../src/armoire/explorer/cell',
    emptyOutDir: mode === 'cell',
    cssCodeSplit: false,
    modulePreload: { polyfill: false },
    rollupOptions: {
      input: mode === 'cell' ? 'src/cell/main.ts' : 'src/widget.ts',
      preserveEntrySignatures: 'strict' as const,
      output: { entryFileNames: '[name].js' },
    },
  },
}))
