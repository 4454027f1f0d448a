// The API of an exported page: the exports of the service's api.js, answered by a web worker.
// A drawing is a list of strokes, each [[x, ...], [y, ...]].

/** What visitors may do besides searching: nothing. */
export const can = {change: false, hide: false, report: false, openFiles: false};
export const onCan = (listener) => listener();

/** An error with a message for people. */
class ApiError extends Error {
  constructor(message, status = 0) {
    super(message);
    this.status = status;
  }
}

const worker = new Worker(new URL("../search/worker.js", import.meta.url), {type: "module"});
const pending = new Map();
let nRequests = 0;
let isReady = false;
const loaded = new Promise((resolve, reject) => pending.set(0, {resolve, reject}));
loaded.then(() => (isReady = true)).catch(() => {});
worker.addEventListener("message", ({data: {id, result, error, status}}) => {
  const {resolve, reject} = pending.get(id);
  pending.delete(id);
  if (error === undefined) resolve(result);
  else reject(new ApiError(error, status));
});
worker.addEventListener("error", ({message}) => {
  const error = new ApiError(`This browser cannot run the page: ${message ?? "its worker failed"}`);
  for (const {reject} of pending.values()) reject(error);
  pending.clear();
});

/** {ready, counted}: whether the encoder and the gallery have loaded. */
export async function readiness() {
  const soon = new Promise((resolve) => setTimeout(resolve, 100));
  await Promise.race([loaded, soon]);
  return {ready: isReady, counted: isReady, status: "Loading the encoder and the gallery."};
}

/** query: {drawing, k, where, predictions} -> {hits, predictions, unsure, took_ms}. */
export async function search(query, signal) {
  signal?.throwIfAborted();
  const result = await request("search", query);
  signal?.throwIfAborted();
  return result;
}

export const drawing = (keyId) => request("drawing", keyId);
/** Any `n` drawings of a category, in the form of hits. */
export const sample = (category, n) => request("sample", {category, n});
export const categories = once(() => request("categories"));
export const category = (name) => request("category", name);

export const mapState = async () => ({ready: true});
/** {n, categories, category, x, y, key_id}. */
export const map = once(() => request("map"));

export const token = () => "";
export const setToken = () => {};
export const hidden = async () => [];
export const reported = async () => [];
export const drawingFromFile = refuse;
export const add = refuse;
export const remove = refuse;
export const hide = refuse;
export const restore = refuse;
export const report = refuse;
export const dismissReports = refuse;

async function refuse() {
  throw new ApiError("This page has no server: it can search and classify, but not store anything.");
}

function request(name, argument) {
  return new Promise((resolve, reject) => {
    pending.set(++nRequests, {resolve, reject});
    worker.postMessage({id: nRequests, name, argument});
  });
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
