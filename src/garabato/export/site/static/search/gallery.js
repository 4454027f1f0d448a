// The gallery: drawings with their embeddings, searched exactly.

import {round} from "./encoder.js";
import {Names} from "./names.js";

/** How many hits vote, and the least share of the votes to be sure; each votes with exp(10 * score). */
export const N_VOTERS = 20;
const [SURE_SHARE, SHARPNESS] = [0.5, 10];
/** What others in a gallery that someone has tampered with would run or fetch. */
const SAFE = {link: /^https?:\/\//, original: /^data:image\//};

export class Gallery {
  #columns;
  #dim;
  #embeddings;
  #lengths;
  #strokes;
  #rows;
  #names = null;
  #texts = null;

  /**
   * `columns`: gallery.json; `embeddings`: Int8Array or Int16Array (N * dim), rows of any length; `strokes`:
   * Uint8Array, the strokes encoded as in garabato.export.web.
   */
  constructor(columns, dim, embeddings, strokes) {
    this.#columns = columns;
    this.#dim = dim;
    this.#embeddings = embeddings;
    this.#lengths = Float64Array.from(columns.key_id, (_, row) => lengthOf(embeddings, row * dim, dim));
    this.#strokes = decodeStrokes(strokes, columns.key_id.length);
    this.#rows = new Map(columns.key_id.map((keyId, row) => [keyId, row]));
  }

  get n() {
    return this.#columns.key_id.length;
  }

  rowOf(keyId) {
    return this.#rows.get(keyId) ?? -1;
  }

  /** The drawing at a row with its metadata, in the form of a hit. */
  drawing(row) {
    const metadata = {key_id: this.#columns.key_id[row], category: this.#nameOf("category", row)};
    const country = this.#nameOf("country", row);
    if (country !== null) metadata.country = country;
    if (this.#columns.recognized[row] !== null) metadata.recognized = this.#columns.recognized[row];
    for (const name of ["traced", "title", "tags", "link", "original"]) {
      const value = this.#columns[name]?.[row];
      if (value != null && (SAFE[name]?.test(value) ?? true)) metadata[name] = value;
    }
    return {...metadata, drawing: this.#strokes[row]};
  }

  /** Whether the gallery's vote says better than an encoder of the categories `known` what a query shows. */
  hasOwnCategories(known) {
    const names = new Set(known);
    let [total, nKnown] = [0, 0];
    for (const {category, n_drawings: n} of this.count().categories) {
      total += n;
      if (names.has(category)) nKnown += n;
    }
    return 2 * nKnown < total;
  }

  /** The `k` drawings most similar to an embedding that match `where`, best first, with scores. Those
   * that are named as `predictions` say move up. */
  search(embedding, k, where = {}, predictions = []) {
    const passes = this.#filter(where);
    const boosts = predictions.length ? this.#boosts(predictions) : new Map();
    const hits = [];
    for (let row = 0; row < this.n; row++) {
      if (!passes(row)) continue;
      const score = this.#score(row, embedding);
      const named = boosts.get(row);
      if (named) hits.push({row, score: 1 - (1 - score) * (1 - named.boost), name_match: named.category});
      else hits.push({row, score});
    }
    hits.sort((a, b) => b.score - a.score);
    return hits.slice(0, k).map(({row, score, ...match}) => ({...this.drawing(row), score: round(score), ...match}));
  }

  /** `n` drawings that match `where`, after the one with the key_id `after`: {drawings, next}. */
  list(where, n, after) {
    const passes = this.#filter(where);
    const rows = [];
    const first = after === null ? 0 : this.rowOf(after) + 1;
    for (let row = first; row < this.n && rows.length <= n; row++) if (passes(row)) rows.push(row);
    const drawings = rows.slice(0, n).map((row) => this.drawing(row));
    return {drawings, next: rows.length > n ? drawings.at(-1).key_id : null};
  }

  /** {categories: [{category, n_drawings}], countries}. */
  count() {
    const counts = new Array(this.#columns.categories.length).fill(0);
    for (const i of this.#columns.category) if (i >= 0) counts[i]++;
    const categories = this.#columns.categories.map((category, i) => ({category, n_drawings: counts[i]}));
    return {categories, countries: this.#columns.countries};
  }

  /** The columns of the map. */
  mapColumns() {
    const {categories, category, key_id} = this.#columns;
    if (!category.includes(-1)) return {categories, category, key_id};
    const named = category.map((i) => (i < 0 ? categories.length : i));
    return {categories: [...categories, ""], category: named, key_id};
  }

  #boosts(predictions) {
    const {title, tags} = this.#columns;
    const titleOf = (_, row) => title?.[row] ?? this.#nameOf("category", row) ?? "";
    this.#names ??= new Names(this.#columns.key_id.map(titleOf), tags ?? []);
    return this.#names.boosts(predictions);
  }

  #score(row, embedding) {
    let sum = 0;
    for (let i = 0, at = row * this.#dim; i < this.#dim; i++) sum += this.#embeddings[at + i] * embedding[i];
    return sum / this.#lengths[row];
  }

  #nameOf(kind, row) {
    const names = kind === "category" ? this.#columns.categories : this.#columns.countries;
    return names[this.#columns[kind][row]] ?? null;
  }

  #filter({category, country, text, ...others}) {
    const [unknown] = Object.keys(others);
    if (unknown) throw refusal(`drawings cannot be filtered by ${unknown}, only by category, country and text`);
    if (typeof (text ?? "") !== "string") throw refusal("where.text is not a string");
    const patterns = (text ?? "").split(/\s+/).filter(Boolean).map(beginning);
    if (patterns.length) this.#texts ??= this.#columns.key_id.map((_, row) => this.#textOf(row));
    const numbers = (names, wanted) => wanted && new Set([wanted].flat().map((name) => names.indexOf(name)).filter((i) => i >= 0));
    const categories = numbers(this.#columns.categories, category);
    const countries = numbers(this.#columns.countries, country);
    return (row) =>
      (!categories || categories.has(this.#columns.category[row])) &&
      (!countries || countries.has(this.#columns.country[row])) &&
      patterns.every((pattern) => pattern.test(this.#texts[row]));
  }

  /** Title, category and tags, a line each. */
  #textOf(row) {
    const {title, tags} = this.#columns;
    return [title?.[row], this.#nameOf("category", row), ...(tags?.[row] ?? [])].join("\n").normalize("NFC");
  }
}

/** What hits say a query shows: {votes: [{category, share}, ...], votes_unsure}, most votes first. */
export function votesOf(hits) {
  const weights = new Map();
  let total = 0;
  for (const {category, score} of hits.slice(0, N_VOTERS)) {
    if (category === null) continue;
    const weight = Math.exp(SHARPNESS * (score - hits[0].score));
    weights.set(category, (weights.get(category) ?? 0) + weight);
    total += weight;
  }
  const votes = [...weights].map(([category, weight]) => ({category, share: round(weight / total)}));
  votes.sort((a, b) => b.share - a.share);
  return {votes, votes_unsure: !votes.length || votes[0].share < SURE_SHARE};
}

/** A pattern for texts with a word that begins with `word`. */
function beginning(word) {
  const escaped = word.normalize("NFC").replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
  return new RegExp(`(?:^|[^\\p{L}\\p{N}])${escaped}`, "iu");
}

const refusal = (message) => Object.assign(new Error(message), {status: 400});

/** The length of the vector of `n` values from `start`; Math.hypot takes twenty times as long. */
function lengthOf(values, start, n) {
  let sum = 0;
  for (let i = start; i < start + n; i++) sum += values[i] * values[i];
  return Math.sqrt(sum);
}

/** Strokes of variable-length integers (7 bits a byte, lowest first); steps are zigzag-encoded. */
function decodeStrokes(bytes, nDrawings) {
  let at = 0;
  const unsigned = () => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++];
      value |= (byte & 127) << shift;
      if (!(byte >= 128)) return value; // at the end of a truncated file, too
    }
  };
  const signed = () => {
    const value = unsigned();
    return value & 1 ? -(value + 1) / 2 : value / 2;
  };
  const stroke = () => {
    const [xs, ys] = [[], []];
    let [x, y] = [0, 0];
    for (let n = unsigned(); n > 0; n--) {
      xs.push((x += signed()));
      ys.push((y += signed()));
    }
    return [xs, ys];
  };
  return Array.from({length: nDrawings}, () => Array.from({length: unsigned()}, stroke));
}
