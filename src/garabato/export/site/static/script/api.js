// The API of an exported page: the exports of the service's api.js, without a server.
// A drawing is a list of strokes, each [[x, ...], [y, ...]].

import {Garabato, GarabatoError} from "../search/garabato.js";

/** What visitors may do besides searching: nothing. */
export const can = {change: false, hide: false, report: false, openFiles: false};
export const onCan = (listener) => listener();

/** The page has one gallery. */
export const gallery = null;
export const galleries = async () => [];

const garabato = new Garabato({gallery: new URL("../../gallery/", import.meta.url)});
let [ready, counted, problem] = [false, false, null];
const loaded = garabato.categories().then(() => (counted = true));
const settled = Promise.allSettled([loaded, garabato.ready.then(() => (ready = true))]).then((all) => {
  problem = all.find(({reason}) => reason)?.reason.message;
});

/** {ready, counted, failed, status}: whether the encoder and the gallery have loaded, or which of them never will. */
export async function readiness() {
  const soon = new Promise((resolve) => setTimeout(resolve, 100));
  await Promise.race([counted ? settled : loaded.catch(() => {}), soon]);
  if (!problem) return {ready, counted, status: "Loading the encoder. You can draw now."};
  const still = counted ? "You can browse the drawings and search them by words, but not by drawing." : "Its drawings did not load.";
  return {ready, counted, failed: true, status: `${still} Reload the page to try again. The reason: ${problem}.`};
}

/** query: {drawing, k, where, predictions} -> {hits, headline, votes, predictions, unsure, took_ms}. */
export const search = ({drawing: strokes, ...query}, signal) => garabato.query(strokes, {...query, signal});
export const drawing = (keyId) => garabato.drawing(keyId);
/** A page of the drawings of a category: {drawings, next}; `next`, null at the end, continues it. */
export const list = (category, n, after = null) => garabato.list(category, n, after);
/** {drawings, next}: up to `n` drawings with these words in title, category or tags. */
export const withWords = (text, n, signal) => garabato.list({text}, n, null, signal);
/** The original file of a hit as a data URL, or null. */
export const original = (hit) => hit.original ?? null;
export const categories = once(() => garabato.categories());
export const category = (name) => garabato.category(name);

export const mapState = async () => ({ready: true});
/** {n, categories, category, x, y, key_id}. */
export const map = once(() => garabato.map());

export const token = () => "";
export const setToken = () => {};
export const hidden = async () => [];
export const reported = async () => [];
export const taught = async () => [];
export const teach = refuse;
export const forget = refuse;
export const drawingFromFile = refuse;
export const add = refuse;
export const remove = refuse;
export const hide = refuse;
export const restore = refuse;
export const report = refuse;
export const dismissReports = refuse;

async function refuse() {
  throw new GarabatoError("This page has no server: it can search and classify, but not store anything.");
}

function once(load) {
  let result = null;
  return () => {
    result ??= load().catch((error) => {
      result = null;
      throw error;
    });
    return result;
  };
}
