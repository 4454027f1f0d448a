// The web worker behind garabato.js: loads an exported gallery and answers requests.

import {Encoder} from "./encoder.js";
import {Gallery, N_VOTERS, votesOf} from "./gallery.js";
import {N_NAMED} from "./names.js";

const handlers = {load, query, classify, drawing, list, categories, category, map};
/** Promises, once `load` is called: of the gallery and what is about it, and of the encoder, which takes longer. */
let [opened, loaded] = [null, null];

onmessage = async ({data: {id, name, argument}}) => {
  try {
    postMessage({id, result: await handlers[name](argument)});
  } catch (error) {
    postMessage({id, error: error.message ?? String(error), status: error.status ?? 0}); // WebAssembly throws numbers, too
  }
};

async function load(url) {
  const found = find(url);
  opened = found.then(openGallery);
  loaded = found.then(loadEncoder);
  await Promise.all([opened, loaded]);
}

async function openGallery({folder, about}) {
  const {embedding_bits: bits} = about; // older exports have 16, and do not say so
  const names = [packed(about, "gallery.json"), bits ? packed(about, "embeddings.bin") : "embeddings.bin", packed(about, "strokes.bin")];
  const [columns, integers, strokes] = await Promise.all(names.map((name) => bytesOf(folder, name)));
  const Integers = bits <= 8 ? Int8Array : Int16Array;
  const embeddings = new Integers(integers.buffer, integers.byteOffset, integers.length / Integers.BYTES_PER_ELEMENT);
  const gallery = new Gallery(json(columns), about.embedding_dim, embeddings, strokes);
  if (embeddings.length !== gallery.n * about.embedding_dim) {
    const expected = `embeddings of ${about.embedding_dim} numbers for ${gallery.n} drawings, not ${embeddings.length} numbers`;
    throw failure(0, `${folder} mixes files of several exports: expected ${expected}; export the page again`);
  }
  return {folder, about, gallery, hasOwnCategories: gallery.hasOwnCategories(about.categories)};
}

/** The folder of the gallery's files: `gallery/` in `url`, or `url` itself; the likelier first. */
async function find(url) {
  const folders = [new URL("gallery/", url).href, url];
  if (url.endsWith("/gallery/")) folders.reverse();
  for (const folder of folders) {
    const response = await fetched(folder, "encoder.json");
    const about = response.ok && (await response.json().catch(() => null)); // some hosts answer with a page
    if (about) return {folder, about};
    if (!response.ok && response.status !== 404) throw failure(response.status, `cannot load ${response.url} (status ${response.status})`);
  }
  throw failure(404, `there is no gallery at ${url}; write one with: garabato export web DIR --gallery URI`);
}

async function loadEncoder({folder, about}) {
  const [ort, wasm, network] = await Promise.all([
    module(folder, "onnxruntime.mjs"),
    bytesOf(folder, packed(about, "onnxruntime.wasm")),
    bytesOf(folder, about.network ?? "encoder.onnx"), // older exports do not say
  ]);
  try {
    return await Encoder.load(about, {ort, wasm, network});
  } catch ({message}) {
    throw failure(0, `the encoder does not run in this browser: it needs WebAssembly (${message})`);
  }
}

async function query({drawing: strokes, traced, k, where, predictions}) {
  const [encoder, {about, gallery, hasOwnCategories}] = await Promise.all([loaded, opened]);
  const started = performance.now();
  const {logits, embedding} = await encoder.encode(strokes, traced);
  if (embedding.length !== about.embedding_dim) {
    const sizes = `the gallery's embeddings have ${about.embedding_dim} numbers, the encoder's ${embedding.length}`;
    throw failure(0, `the gallery was made with another encoder: ${sizes}; export the page again`);
  }
  const named = hasOwnCategories ? encoder.predict(logits, N_NAMED).predictions : null;
  const result = search(gallery, embedding, count(k), where, named);
  if (predictions) Object.assign(result, encoder.predict(logits, count(predictions)));
  result.took_ms = performance.now() - started;
  return result;
}

/** {hits, headline}; a gallery with categories of its own votes, and is searched by what is `named`, too. */
function search(gallery, embedding, k, where, named) {
  if (!named) return {hits: gallery.search(embedding, k, where), headline: "encoder"};
  const hits = gallery.search(embedding, Math.max(k, N_VOTERS), where, named);
  const {votes, votes_unsure} = votesOf(hits);
  const says = votes.length ? {headline: "gallery", votes, votes_unsure} : {headline: "encoder"};
  return {hits: hits.slice(0, k), ...says};
}

async function classify({drawing: strokes, traced, k, among}) {
  const encoder = await loaded;
  const {logits} = await encoder.encode(strokes, traced);
  return encoder.predict(logits, count(k), among);
}

async function drawing(keyId) {
  const {gallery} = await opened;
  const row = gallery.rowOf(keyId);
  if (row < 0) throw failure(404, `there is no drawing with the key_id ${keyId}`);
  return gallery.drawing(row);
}

async function list({where, n, after}) {
  return (await opened).gallery.list(typeof where === "string" ? {category: where} : where, count(n), after);
}

async function categories() {
  const {about, gallery} = await opened;
  return {...gallery.count(), known: about.categories};
}

let pages = null;
async function category(name) {
  const {folder, about, gallery} = await opened;
  pages ??= json(await bytesOf(folder, packed(about, "category_pages.json")));
  if (!Object.hasOwn(pages, name)) return smallCategory(gallery, name); // "constructor" is inherited
  const page = pages[name];
  return {
    category: name,
    n_drawings: page.n_drawings,
    typical: page.typical.map((row) => gallery.drawing(row)),
    odd: page.odd.map((row) => gallery.drawing(row)),
    confused_with: page.confused_with,
  };
}

/** A category with too few drawings to compare them: it shows all. */
function smallCategory(gallery, name) {
  const {drawings} = gallery.list({category: name}, gallery.n, null);
  if (!drawings.length) throw failure(404, `the gallery has no drawing of ${name}`);
  return {category: name, n_drawings: drawings.length, typical: drawings, odd: []};
}

async function map() {
  const {folder, about, gallery} = await opened;
  const {x, y} = json(await bytesOf(folder, packed(about, "map.json")));
  return {n: gallery.n, ...gallery.mapColumns(), x, y};
}

function count(k) {
  if (Number.isInteger(k) && k > 0) return k;
  throw failure(400, `k must be a whole number of at least 1, not ${k}`);
}

/** The name of a compressed file; older exports used gzip. */
const packed = ({compression}, name) => `${name}.${compression ?? "gz"}`;

/** The content of a file, decompressed unless the host has done so. */
async function bytesOf(folder, name) {
  const response = await fetched(folder, name);
  if (!response.ok) throw failure(response.status, `cannot load ${response.url} (status ${response.status})`);
  const bytes = new Uint8Array(await response.arrayBuffer());
  if (name.endsWith(".zst") && bytes[0] === 0x28 && bytes[1] === 0xb5) return (await module(folder, "fzstd.mjs")).decompress(bytes);
  if (!name.endsWith(".gz") || bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  const expanded = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(expanded).arrayBuffer());
}

async function fetched(folder, name) {
  const url = new URL(name, folder);
  try {
    return await fetch(url);
  } catch (error) {
    throw failure(0, `cannot load ${url} (${error.message})`);
  }
}

const module = (folder, name) => import(/* webpackIgnore: true */ /* @vite-ignore */ new URL(name, folder).href);
const json = (bytes) => JSON.parse(new TextDecoder().decode(bytes));
const failure = (status, message) => Object.assign(new Error(message), {status});
