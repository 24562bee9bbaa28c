import { defineConfig } from "vite";
import react from "@vitejs/plugin-react";
import { licenceNotices } from "./dev/licence-notices.ts";

// The output is committed and embedded in the server, so it must come out the same on every machine: no dates, no absolute
// paths, no environment in it.
export default defineConfig({
  base: "/console/",
  plugins: [react(), licenceNotices()],
  css: { preprocessorOptions: { scss: { quietDeps: true } } },
  build: {
    target: "es2022",
    outDir: "dist",
    emptyOutDir: true,
    // The content security policy allows no inline script or data: font, so nothing is inlined.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 700,
  },
  server: {
    proxy: Object.fromEntries(
      ["/identity", "/v1", "/v2", "/management", "/oauth"].map((path) => [
        path,
        process.env.VESTIBULE_URL ?? "http://127.0.0.1:8080",
      ]),
    ),
  },
});
