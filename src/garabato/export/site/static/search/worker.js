// Classifies and searches in a web worker, so that drawing stays responsive.

import {Encoder} from "./encoder.js";
import {Gallery} from "./gallery.js";

const handlers = {search, drawing, sample, categories, category, map};

const loaded = load();
loaded.then(
  () => postMessage({id: 0}),
  (error) => postMessage({id: 0, error: `The page could not be loaded: ${error.message}`}),
);
onmessage = async ({data: {id, name, argument}}) => {
  try {
    postMessage({id, result: await handlers[name](await loaded, argument)});
  } catch (error) {
    postMessage({id, error: error.message, status: error.status ?? 0});
  }
};

async function load() {
  const about = await (await file("encoder.json")).json();
  const gallery = async () => {
    const parts = await Promise.all([file("gallery.json"), file("embeddings.bin"), file("strokes.bin")]);
    const [columns, embeddings, strokes] = [
      await parts[0].json(),
      new Int16Array(await parts[1].arrayBuffer()),
      new Uint8Array(await parts[2].arrayBuffer()),
    ];
    return new Gallery(columns, about.embedding_dim, embeddings, strokes);
  };
  const [encoder, loadedGallery] = await Promise.all([Encoder.load(about), gallery()]);
  return {about, encoder, gallery: loadedGallery};
}

async function search({encoder, gallery}, {drawing, k, where, predictions}) {
  const started = performance.now();
  const {probabilities, embedding} = await encoder.encode(drawing);
  const result = {hits: gallery.search(embedding, k, where)};
  if (predictions) Object.assign(result, encoder.predict(probabilities, predictions));
  result.took_ms = performance.now() - started;
  return result;
}

function drawing({gallery}, keyId) {
  const row = gallery.rowOf(keyId);
  if (row < 0) throw httpError(404, `there is no drawing with the key_id ${keyId}`);
  return gallery.drawing(row);
}

function sample({gallery}, {category: name, n}) {
  return gallery.sample(name, n);
}

function categories({about, gallery}) {
  return {...gallery.count(), known: about.categories};
}

let pages = null;
async function category({gallery}, name) {
  pages ??= (await file("category_pages.json")).json();
  const page = (await pages)[name];
  if (!page) throw httpError(404, `the gallery has no drawing of ${name}`);
  return {
    category: name,
    n_drawings: page.n_drawings,
    typical: page.typical.map((row) => gallery.drawing(row)),
    odd: page.odd.map((row) => gallery.drawing(row)),
    confused_with: page.confused_with,
  };
}

async function map({gallery}) {
  const {x, y} = await (await file("map.json")).json();
  return {n: gallery.n, ...gallery.mapColumns(), x, y};
}

async function file(name) {
  const response = await fetch(new URL(name, import.meta.url));
  if (!response.ok) throw httpError(response.status, `cannot load ${name} (status ${response.status})`);
  return response;
}

function httpError(status, message) {
  return Object.assign(new Error(message), {status});
}
