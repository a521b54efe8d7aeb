/** The explorer in a notebook, `vite build --config vite.cell.config.ts --mode cell | widget`: two files, each whole in itself. */

import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig, type Plugin } from 'vite'

// The frame is a document that is handed over as text, so that it can fetch nothing: and it may not.
const POLICY =
  "default-src 'none'; script-src 'unsafe-inline' 'wasm-unsafe-eval' blob:; style-src 'unsafe-inline'; img-src data: blob:; worker-src blob: data:; base-uri 'none'; form-action 'none'"

/** One document in the place of script and style. */
function whole(): Plugin {
  return {
    name: 'whole',
    generateBundle: {
      // Styles come last.
      order: 'post',
      handler(_options, bundle) {
      let [script, style] = ['', '']
      for (const [name, file] of Object.entries(bundle)) {
        if (file.type === 'chunk') script += file.code
        else if (name.endsWith('.css')) style += String(file.source)
        // The engine: its name stands in the worker, which is given the bytes.
        else if (!name.endsWith('.wasm')) throw new Error(`${name} would be a file beside the document, which can fetch none`)
        delete bundle[name]
      }
      const inline = script.replaceAll('</script', '<\\/script').replaceAll('<!--', '<\\!--')
      const source = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<title>armoire</title>
<style>${style.replaceAll('</style', '<\\/style')}</style>
</head>
<body>
<div id="app"></div>
<script type="module">${inline}</script>
</body>
</html>
`
      this.emitFile({ type: 'asset', fileName: 'cell.html', source })
      },
    },
  }
}

export default defineConfig(({ mode }) => ({
  base: './',
  plugins: mode === 'cell' ? [svelte(), whole()] : [],
  publicDir: false as const,
  worker: { format: 'es' as const },
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
