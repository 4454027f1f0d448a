// The page without a server: the same functions as with one, answered by a worker beside the page.
// A drawing is a list of strokes, each [[x, ...], [y, ...]].

/** What may be done here besides searching: nothing, ever. */
export const can = {change: false, hide: false, report: false, openFiles: false};
export const onCan = (listener) => listener();

/** Something that cannot be answered, in words for people. */
class Problem extends Error {
  constructor(message, status = 0) {
    super(message);
    this.status = status;
  }
}

const worker = new Worker(new URL("../search/worker.js", import.meta.url), {type: "module"});
const waiting = new Map();
let n = 0;
let isReady = false;
const loaded = new Promise((resolve, reject) => waiting.set(0, {resolve, reject}));
loaded.then(() => (isReady = true)).catch(() => {});
worker.addEventListener("message", ({data: {id, answer, problem, status}}) => {
  const {resolve, reject} = waiting.get(id);
  waiting.delete(id);
  if (problem === undefined) resolve(answer);
  else reject(new Problem(problem, status));
});
worker.addEventListener("error", ({message}) => {
  const problem = new Problem(`This browser cannot run the page: ${message ?? "its worker failed"}`);
  for (const {reject} of waiting.values()) reject(problem);
  waiting.clear();
});

/** {ready, counted}: whether the recogniser and the gallery are here. */
export async function readiness() {
  const soon = new Promise((resolve) => setTimeout(resolve, 100));
  await Promise.race([loaded, soon]);
  return {ready: isReady, counted: isReady, status: "The recogniser and the gallery are on their way."};
}

/** query: {drawing, k, where, predictions} -> {hits, predictions, unsure, took_ms}. */
export async function search(query, signal) {
  signal?.throwIfAborted();
  const answer = await ask("search", query);
  signal?.throwIfAborted();
  return answer;
}

export const drawing = (keyId) => ask("drawing", keyId);
/** A few drawings of a category, any, as hits are. */
export const some = (name, n) => ask("some", {name, n});
export const categories = once(() => ask("categories"));
export const category = (name) => ask("category", name);

export const mapState = async () => ({ready: true});
/** {n, categories, category, x, y, key_id}. */
export const map = once(() => ask("map"));

export const hidden = async () => [];
export const reported = async () => [];
export const strokesOf = refuse;
export const add = refuse;
export const remove = refuse;
export const hide = refuse;
export const restore = refuse;
export const report = refuse;
export const forget = refuse;

async function refuse() {
  throw new Problem("This page has no server, so it only finds and names.");
}

function ask(question, argument) {
  return new Promise((resolve, reject) => {
    waiting.set(++n, {resolve, reject});
    worker.postMessage({id: n, ask: question, argument});
  });
}

function once(load) {
  let answer = null;
  return () => {
    answer ??= load().catch((problem) => {
      answer = null;
      throw problem;
    });
    return answer;
  };
}
