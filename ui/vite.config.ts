import { fileURLToPath } from "node:url";

import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";

export default defineConfig({
  plugins: [svelte()],
  // `tauri dev` expects this address (tauri.dev.conf.json).
  server: { port: 5173, strictPort: true },
  build: {
    outDir: "dist",
    emptyOutDir: true,
    // WebKitGTK, WKWebView and WebView2 of today: `light-dark()` needs no rewriting.
    target: ["safari18", "chrome130"],
    cssTarget: ["safari18", "chrome130"],
    // The window's policy has no room for inline anything.
    assetsInlineLimit: 0,
    modulePreload: false,
  },
  resolve: {
    alias: { $lib: fileURLToPath(new URL("./src/lib", import.meta.url)) },
    // Components mount in tests only with the browser build of Svelte.
    ...(process.env.VITEST ? { conditions: ["browser"] } : {}),
  },
  test: {
    environment: "jsdom",
    include: ["src/**/*.test.ts"],
    setupFiles: ["src/test/setup.ts"],
    restoreMocks: true,
    // A busy machine is no failure.
    testTimeout: 30_000,
  },
});
