// Bundles static/src into static/dist with esbuild: the page's script, the console's script, one style sheet, fonts and drawings.
// No chunk imports another by name: the site stores each file under the hash of its content.
import { cp, rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";

const source = fileURLToPath(new URL("./src/", import.meta.url));
const dist = fileURLToPath(new URL("./dist/", import.meta.url));

const options = {
  entryPoints: ["app.js", "console.js", "app.css"].map((name) => source + name),
  outdir: dist,
  bundle: true,
  format: "esm",
  target: "es2022",
  minify: true,
  sourcemap: false,
  legalComments: "linked",
  assetNames: "fonts/[name]-[hash]",
  loader: { ".woff2": "file" },
  logLevel: "warning",
};

await rm(dist, { recursive: true, force: true });
await cp(`${source}drawings`, `${dist}drawings`, { recursive: true });

if (process.argv.includes("--watch")) {
  const context = await esbuild.context(options);
  await context.watch();
} else {
  await esbuild.build(options);
}
