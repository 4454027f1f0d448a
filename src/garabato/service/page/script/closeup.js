// Near enough, points become drawings: fetched a few at a time, kept, drawn where they are.

import {drawing} from "./api.js";
import {lineOf} from "./line.js";
import {extent} from "./sketch.js";

const AT_ONCE = 4;
const MAX_KEPT = 2000;

export class Closeups {
  #known = new Map();
  #queue = [];
  #underWay = 0;
  #changed;

  /** `changed()` is called when a drawing has come in. */
  constructor(changed) {
    this.#changed = changed;
  }

  /** {key_id, category, drawing, path, side, ...} if it is here; otherwise it is sent for. */
  get(keyId) {
    const known = this.#known.get(keyId);
    if (known) return known;
    this.want([keyId, ...this.#queue]);
    return null;
  }

  /** Send for these, and for nothing that was wanted before. */
  want(keyIds) {
    this.#queue = keyIds.filter((keyId) => !this.#known.has(keyId));
    while (this.#underWay < AT_ONCE && this.#queue.length) this.#fetch(this.#queue.shift());
  }

  async #fetch(keyId) {
    this.#underWay++;
    this.#known.set(keyId, null);
    try {
      const one = await drawing(keyId);
      const {left, top, width, height} = extent(one.drawing);
      const path = new Path2D(one.drawing.map(([xs, ys]) => lineOf(xs, ys)).join(""));
      const centre = [left + width / 2, top + height / 2];
      this.#known.set(keyId, {...one, path, centre, side: Math.max(width, height, 1)});
      if (this.#known.size > MAX_KEPT) this.#known.delete(this.#known.keys().next().value);
      this.#changed();
    } catch {
      // removed since the map was made: it stays a point
    }
    this.#underWay--;
    this.want(this.#queue);
  }
}

/** Draw one of them `size` pixels large around (left, top). */
export function paintDrawing(context, {path, centre, side}, left, top, size) {
  context.save();
  context.translate(left, top);
  context.scale(size / side, size / side);
  context.translate(-centre[0], -centre[1]);
  context.lineWidth = (1.5 * side) / size;
  context.stroke(path);
  context.restore();
}
