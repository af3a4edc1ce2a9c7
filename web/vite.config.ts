// SPDX-License-Identifier: Apache-2.0
import { env } from 'node:process'
import { defineConfig } from 'vitest/config'

// The server sends `default-src 'self'`: nothing may be inlined as data: or as a script.
export default defineConfig({
  base: '/',
  esbuild: { jsx: 'automatic', jsxImportSource: 'preact', legalComments: 'none' },
  build: {
    outDir: 'dist',
    assetsDir: 'assets',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: 'es2021',
    reportCompressedSize: true,
  },
  server: {
    proxy: Object.fromEntries(
      ['/api', '/loki', '/jaeger', '/tempo', '/v1'].map((path) => [path, env.STOA_URL ?? 'http://127.0.0.1:7862']),
    ),
  },
  test: { include: ['test/**/*.test.ts'], environment: 'node' },
})
