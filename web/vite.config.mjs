import { defineConfig } from 'vite';

// The program embeds exactly three files under fixed names, and puts the two others into index.html for a report.
// So: one script, one style sheet, relative names, and plain tags that are easy to find and to replace.
const plainTags = {
  name: 'plain-tags',
  transformIndexHtml: { order: 'post', handler: (html) => html.replaceAll(' crossorigin', '') },
};

export default defineConfig({
  base: './',
  plugins: [plainTags],
  esbuild: { jsx: 'automatic', jsxImportSource: 'preact' },
  build: {
    target: 'es2020',
    emptyOutDir: true,
    modulePreload: false,
    cssCodeSplit: false,
    reportCompressedSize: false,
    rollupOptions: {
      output: {
        entryFileNames: 'app.js',
        assetFileNames: 'app[extname]',
        inlineDynamicImports: true,
      },
    },
  },
  test: { include: ['src/**/*.test.{ts,tsx}'], environment: 'node' },
});
