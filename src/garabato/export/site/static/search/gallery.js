// The gallery: drawings with their embeddings, searched exactly, as the server does it.

import {round} from "./encoder.js";

export class Gallery {
  #about;
  #dim;
  #embeddings;
  #lengths;
  #strokes;
  #rows;

  /**
   * `about`: columns of gallery.json; `embeddings`: Int16Array (N * dim), rows of any length;
   * `strokes`: Uint8Array, for each drawing its number of strokes, for each of these its number of
   * points and their steps.
   */
  constructor(about, dim, embeddings, strokes) {
    this.#about = about;
    this.#dim = dim;
    this.#embeddings = embeddings;
    this.#lengths = Float64Array.from(about.key_id, (_, row) =>
      Math.hypot(...embeddings.subarray(row * dim, (row + 1) * dim)),
    );
    this.#strokes = read(strokes, about.key_id.length);
    this.#rows = new Map(about.key_id.map((keyId, row) => [keyId, row]));
  }

  get n() {
    return this.#about.key_id.length;
  }

  rowOf(keyId) {
    return this.#rows.get(keyId) ?? -1;
  }

  /** What is known of a drawing, with its strokes. */
  drawing(row) {
    const known = {key_id: this.#about.key_id[row], category: this.#nameOf("category", row)};
    const country = this.#nameOf("country", row);
    if (country !== null) known.country = country;
    if (this.#about.recognized[row] !== null) known.recognized = this.#about.recognized[row];
    return {...known, drawing: this.#strokes[row]};
  }

  /** The `k` drawings most like an embedding that pass `where`, best first, with their scores. */
  search(embedding, k, where = {}) {
    const passes = this.#filter(where);
    const found = [];
    for (let row = 0; row < this.n; row++) if (passes(row)) found.push({row, score: this.#score(row, embedding)});
    found.sort((a, b) => b.score - a.score);
    return found.slice(0, k).map(({row, score}) => ({...this.drawing(row), score: round(score)}));
  }

  /** The first `n` drawings of a category. */
  some(category, n) {
    const passes = this.#filter({category: [category]});
    const found = [];
    for (let row = 0; row < this.n && found.length < n; row++) if (passes(row)) found.push(this.drawing(row));
    return found;
  }

  /** {categories: [{category, n_drawings}], countries}. */
  count() {
    const counts = new Array(this.#about.categories.length).fill(0);
    for (const i of this.#about.category) if (i >= 0) counts[i]++;
    const categories = this.#about.categories.map((category, i) => ({category, n_drawings: counts[i]}));
    return {categories, countries: this.#about.countries};
  }

  /** What the map shows, beside its places. */
  columns() {
    const {categories, category, key_id} = this.#about;
    if (!category.includes(-1)) return {categories, category, key_id};
    const named = category.map((i) => (i < 0 ? categories.length : i));
    return {categories: [...categories, ""], category: named, key_id};
  }

  #score(row, embedding) {
    let sum = 0;
    for (let i = 0, at = row * this.#dim; i < this.#dim; i++) sum += this.#embeddings[at + i] * embedding[i];
    return sum / this.#lengths[row];
  }

  #nameOf(kind, row) {
    const names = kind === "category" ? this.#about.categories : this.#about.countries;
    return names[this.#about[kind][row]] ?? null;
  }

  #filter({category, country}) {
    const numbers = (names, wanted) => wanted && new Set(wanted.map((name) => names.indexOf(name)));
    const categories = numbers(this.#about.categories, category);
    const countries = numbers(this.#about.countries, country);
    return (row) =>
      (!categories || categories.has(this.#about.category[row])) &&
      (!countries || countries.has(this.#about.country[row]));
  }
}

/** Whole numbers of 7 bits a byte, the lowest first; steps are zigzag: 0, -1, 1, -2, ... */
function read(bytes, nDrawings) {
  let at = 0;
  const unsigned = () => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++];
      value |= (byte & 127) << shift;
      if (byte < 128) return value;
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
