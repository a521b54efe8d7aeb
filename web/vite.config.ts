import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  // Relative, so that the page works under any path of any host.
  base: './',
  plugins: [svelte()],
  worker: { format: 'es' },
  // A licence text has to travel with code under it; the build keeps them beside the code.
  build: {
    target: 'es2022',
    outDir: '../src/armoire/explorer',
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    license: { fileName: 'licenses.md' },
  },
  test: { include: ['src/**/*.test.ts'] },
})
