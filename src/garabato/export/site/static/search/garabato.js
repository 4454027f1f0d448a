// The client of an exported gallery: it classifies and searches in a web worker, so that drawing
// stays responsive. Exported pages and the npm package `garabato` use this same file.
// A drawing is a list of strokes, each [[x, ...], [y, ...]], in any units. The option `traced` of queries says
// that the strokes were traced from a picture, so that their order is unknown.

/** An error with a message for people. `status` is 404 for what does not exist, 400 for bad input. */
export class GarabatoError extends Error {
  name = "GarabatoError";

  constructor(message, status = 0) {
    super(message);
    this.status = status;
  }
}

export class Garabato {
  #worker;
  #requests = new Map();
  #nRequests = 0;
  #ended = null;
  /** Resolves once the encoder and the gallery have loaded, and rejects if either fails. What needs no encoder
   * (all but `search`, `classify` and `query`) works before, and if only the encoder fails. */
  ready;

  /** Load the gallery at a URL: the folder that `garabato export web` wrote, or the `gallery` folder in it. */
  static async create({gallery}) {
    const garabato = new Garabato({gallery});
    try {
      await garabato.ready;
    } catch (error) {
      garabato.close();
      throw error;
    }
    return garabato;
  }

  constructor({gallery}) {
    if (!URL.canParse(gallery, document.baseURI)) throw new GarabatoError(`“${gallery}” is not the URL of a gallery`, 400);
    const folder = new URL(gallery, document.baseURI);
    if (!folder.pathname.endsWith("/")) folder.pathname += "/";
    this.#worker = startWorker();
    this.#worker.addEventListener("message", ({data}) => this.#settle(data));
    this.#worker.addEventListener("error", ({message}) => this.#end(`the web worker failed: ${message ?? "its file, worker.js, did not load"}`));
    this.ready = this.#request("load", folder.href);
    this.ready.catch(() => {}); // requests fail with the same error
  }

  /** The `k` drawings most similar to a drawing, or named as it probably is, best first. `where`:
   * {category: [...], country: [...], text}; each word of `text` begins a word of the title, category or a tag. */
  async search(drawing, {traced, k = 10, where = {}, signal} = {}) {
    return (await this.query(drawing, {traced, k, where, predictions: 0, signal})).hits;
  }

  /** The `k` most probable categories: {predictions: [{category, probability}, ...], unsure, unknown}.
   * With `among`, a list of categories, it is certainly one of these. */
  async classify(drawing, {traced, k = 5, among, signal} = {}) {
    checkDrawing(drawing);
    return this.#request("classify", {drawing, traced, k, among}, signal);
  }

  /** Search and classify at once: {hits, headline, predictions, unsure, unknown, took_ms}. If the gallery's
   * categories are not the encoder's, `headline` is "gallery", and `votes` and `votes_unsure` are there. */
  async query(drawing, {traced, k = 10, where = {}, predictions = 5, signal} = {}) {
    checkDrawing(drawing);
    return this.#request("query", {drawing, traced, k, where, predictions}, signal);
  }

  /** The drawing with a key_id, in the form of a hit. */
  drawing(keyId) {
    return this.#request("drawing", keyId);
  }

  /** `n` drawings, in the form of hits, of a category or that match a `where`: {drawings, next}; `next`,
   * null at the end, is the `after` of the page that follows. */
  list(where, n, after = null, signal) {
    return this.#request("list", {where, n, after}, signal);
  }

  /** {categories: [{category, n_drawings}], countries, known}; `known` are the encoder's categories. */
  categories() {
    return this.#request("categories");
  }

  /** {category, n_drawings, typical, odd, confused_with} of a category; small ones lack the last. */
  category(name) {
    return this.#request("category", name);
  }

  /** {n, categories, category, x, y, key_id}: a position 0..65535 for each drawing. */
  map() {
    return this.#request("map");
  }

  /** Stop the worker and free its memory. */
  close() {
    this.#end("it was closed");
  }

  async #request(name, argument, signal) {
    signal?.throwIfAborted();
    if (this.#ended) throw this.#ended;
    const id = ++this.#nRequests;
    let abort;
    try {
      return await new Promise((resolve, reject) => {
        abort = () => reject(signal.reason);
        signal?.addEventListener("abort", abort);
        this.#requests.set(id, {resolve, reject});
        this.#worker.postMessage({id, name, argument});
      });
    } finally {
      this.#requests.delete(id);
      signal?.removeEventListener("abort", abort);
    }
  }

  #settle({id, result, error, status}) {
    const request = this.#requests.get(id);
    if (error === undefined) request?.resolve(result);
    else request?.reject(new GarabatoError(error, status));
  }

  /** Stop the worker; all requests fail. */
  #end(message) {
    this.#ended ??= new GarabatoError(message);
    this.#worker.terminate();
    for (const {reject} of this.#requests.values()) reject(this.#ended);
    this.#requests.clear();
  }
}

/** As garabato.drawing in Python: with larger ones, float32 has no room for shapes. */
const MAX_COORDINATE = 2 ** 24;

/** Throw a GarabatoError if a drawing cannot be searched. */
export function checkDrawing(drawing) {
  const refuse = (reason) => {
    throw new GarabatoError(`${reason}; a drawing is a list of strokes, each [[x, ...], [y, ...]]`, 400);
  };
  if (!Array.isArray(drawing) || !drawing.length) refuse("the drawing has no strokes");
  drawing.forEach((stroke, i) => {
    const [xs, ys] = Array.isArray(stroke) ? stroke : [];
    if (!Array.isArray(xs) || !Array.isArray(ys)) refuse(`stroke ${i} is not a pair of lists`);
    if (!xs.length || xs.length !== ys.length) refuse(`stroke ${i} has ${xs.length} x and ${ys.length} y`);
    const isGood = (value) => Number.isFinite(value) && Math.abs(value) <= MAX_COORDINATE;
    if (![...xs, ...ys].every(isGood)) refuse(`stroke ${i} has a coordinate that is not a number within ±${MAX_COORDINATE}`);
  });
}

/** A page may start workers of its own origin only; one from elsewhere is imported by a local one. */
function startWorker() {
  const here = new URL(import.meta.url); // file: where a bundler put the path on its own disk
  const isOwn = here.origin === location.origin || here.protocol === "file:";
  if (isOwn) return new Worker(new URL("./worker.js", import.meta.url), {type: "module"});
  const script = new Blob([`import ${JSON.stringify(new URL("./worker.js", here))};`], {type: "text/javascript"});
  const local = URL.createObjectURL(script);
  const worker = new Worker(local, {type: "module"});
  worker.addEventListener("message", () => URL.revokeObjectURL(local), {once: true});
  return worker;
}
