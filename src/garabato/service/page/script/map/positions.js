// The positions of the drawings on the map, indexed by cells: which are in a window, which is nearest.

const CELLS = 256;

export class Positions {
  #order; // rows, sorted by cell
  #starts; // (CELLS * CELLS + 1), the start of each cell in #order

  constructor({x, y, category, categories, key_id}) {
    this.n = x.length;
    this.x = spread(x);
    this.y = spread(y);
    this.category = Uint16Array.from(category);
    this.categories = categories;
    this.keyIds = key_id;
    this.#sortIntoCells();
    this.centres = this.#medians();
  }

  /** Rows in the window, up to `limit` of them. */
  within(left, top, right, bottom, limit = Infinity) {
    const rows = [];
    for (let row = cellOf(top); row <= cellOf(bottom); row++) {
      for (let column = cellOf(left); column <= cellOf(right); column++) {
        const cell = row * CELLS + column;
        for (let i = this.#starts[cell]; i < this.#starts[cell + 1]; i++) {
          const one = this.#order[i];
          const [x, y] = [this.x[one], this.y[one]];
          if (x < left || x > right || y < top || y > bottom) continue;
          rows.push(one);
          if (rows.length >= limit) return rows;
        }
      }
    }
    return rows;
  }

  /** The row nearest to (x, y) within an ellipse of these radii, or -1. */
  nearest(x, y, reachX, reachY) {
    let [best, least] = [-1, 1];
    for (const one of this.within(x - reachX, y - reachY, x + reachX, y + reachY)) {
      const distance = ((this.x[one] - x) / reachX) ** 2 + ((this.y[one] - y) / reachY) ** 2;
      if (distance < least) [best, least] = [one, distance];
    }
    return best;
  }

  /** The row of a key_id, or -1. */
  rowOf(keyId) {
    this.rows ??= new Map(this.keyIds.map((one, row) => [one, row]));
    return this.rows.get(keyId) ?? -1;
  }

  #sortIntoCells() {
    const cells = Uint16Array.from(this.x, (x, i) => cellOf(this.y[i]) * CELLS + cellOf(x));
    this.#starts = new Uint32Array(CELLS * CELLS + 1);
    for (const cell of cells) this.#starts[cell + 1]++;
    for (let cell = 0; cell < CELLS * CELLS; cell++) this.#starts[cell + 1] += this.#starts[cell];
    const next = this.#starts.slice();
    this.#order = new Uint32Array(this.n);
    cells.forEach((cell, i) => (this.#order[next[cell]++] = i));
  }

  /** {x, y, n} for each category: its drawing nearest to the median, and their number. */
  #medians() {
    const members = this.categories.map(() => []);
    this.category.forEach((category, i) => members[category].push(i));
    const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];
    return members.map((rows) => {
      const [x, y] = [this.x, this.y].map((all) => median(rows.map((i) => all[i])));
      const away = (i) => Math.hypot(this.x[i] - x, this.y[i] - y);
      const nearest = rows.reduce((at, i) => (away(i) < away(at) ? i : at), rows[0]);
      return {x: this.x[nearest], y: this.y[nearest], n: rows.length};
    });
  }
}

/** Values spread over 0..1, from the least to the greatest. */
function spread(values) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) [low, high] = [Math.min(low, value), Math.max(high, value)];
  return Float32Array.from(values, (value) => (high > low ? (value - low) / (high - low) : 0.5));
}

const cellOf = (value) => Math.min(CELLS - 1, Math.max(0, Math.floor(value * CELLS)));
