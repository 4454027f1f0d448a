// Answers questions beside the page, so that the pen never waits.

import {Encoder} from "./encoder.js";
import {Gallery} from "./gallery.js";

const answers = {search, drawing, some, categories, category, map};

const loaded = load();
loaded.then(
  () => postMessage({id: 0}),
  (error) => postMessage({id: 0, problem: `The page could not be loaded: ${error.message}`}),
);
onmessage = async ({data: {id, ask, argument}}) => {
  try {
    postMessage({id, answer: await answers[ask](await loaded, argument)});
  } catch (error) {
    postMessage({id, problem: error.message, status: error.status ?? 0});
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
  const [encoder, shelves] = await Promise.all([Encoder.load(about), gallery()]);
  return {about, encoder, gallery: shelves};
}

async function search({encoder, gallery}, {drawing, k, where, predictions}) {
  const started = performance.now();
  const {probabilities, embedding} = await encoder.encode(drawing);
  const answer = {hits: gallery.search(embedding, k, where)};
  if (predictions) Object.assign(answer, encoder.predict(probabilities, predictions));
  answer.took_ms = performance.now() - started;
  return answer;
}

function drawing({gallery}, keyId) {
  const row = gallery.rowOf(keyId);
  if (row < 0) throw refusal(404, `there is no drawing with the key_id ${keyId}`);
  return gallery.drawing(row);
}

function some({gallery}, {name, n}) {
  return gallery.some(name, n);
}

function categories({about, gallery}) {
  return {...gallery.count(), known: about.categories};
}

let portraits = null;
async function category({gallery}, name) {
  portraits ??= (await file("portraits.json")).json();
  const portrait = (await portraits)[name];
  if (!portrait) throw refusal(404, `the gallery has no drawing of ${name}`);
  return {
    category: name,
    n_drawings: portrait.n_drawings,
    typical: portrait.typical.map((row) => gallery.drawing(row)),
    odd: portrait.odd.map((row) => gallery.drawing(row)),
    confused_with: portrait.confused_with,
  };
}

async function map({gallery}) {
  const {x, y} = await (await file("map.json")).json();
  return {n: gallery.n, ...gallery.columns(), x, y};
}

async function file(name) {
  const answer = await fetch(new URL(name, import.meta.url));
  if (!answer.ok) throw refusal(answer.status, `${name} is missing here (${answer.status})`);
  return answer;
}

function refusal(status, message) {
  return Object.assign(new Error(message), {status});
}
