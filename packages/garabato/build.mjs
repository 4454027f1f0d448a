// Collects the modules of the package in dist/. Those that the page of `garabato serve` and exported
// pages use too are taken from there, so that there is one implementation.

import {copyFileSync, mkdirSync, readdirSync, rmSync} from "node:fs";
import {basename} from "node:path";

const root = new URL("../../", import.meta.url);
const here = new URL("./", import.meta.url);
const dist = new URL("dist/", here);
const shared = [
  ...["encoder", "gallery", "garabato", "names", "render", "worker"].map((name) => `src/garabato/export/site/static/search/${name}.js`),
  ...["live_search", "pad", "sketch", "strokes"].map((name) => `src/garabato/service/page/script/${name}.js`),
];

rmSync(dist, {recursive: true, force: true});
mkdirSync(dist);
for (const path of shared) copyFileSync(new URL(path, root), new URL(basename(path), dist));
for (const name of readdirSync(new URL("src/", here))) copyFileSync(new URL(`src/${name}`, here), new URL(name, dist));
copyFileSync(new URL("LICENSE", root), new URL("LICENSE", here));
