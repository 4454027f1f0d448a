// The drawing on the pad, in pad units (0..SIDE), with undo and redo.
//
// Dispatches "change" after every change; `event.detail.finished` is false while the pen is down.

import {extent, simplify} from "./strokes.js";

export const SIDE = 1000;
/** Google simplifies with a tolerance of 2 in 255 units; this is a quarter of that. */
const TOLERANCE = 2;
/** The share of the pad that a drawing from elsewhere fills. */
const FIT = 0.8;

export class Sketch extends EventTarget {
  /** Strokes {xs, ys, pressures, lists}; the array is replaced, never changed in place. */
  strokes = [];
  #past = [];
  #future = [];
  #open = null;

  /** Whether a stroke has begun and not ended; undo and `replace` end it too. */
  get isOpen() {
    return this.#open !== null;
  }
  get isEmpty() {
    return this.strokes.length === 0;
  }
  get canUndo() {
    return this.#past.length > 0;
  }
  get canRedo() {
    return this.#future.length > 0;
  }

  begin(x, y, pressure) {
    this.end();
    this.#open = {xs: [], ys: [], pressures: []};
    this.#remember([...this.strokes, this.#open]);
    this.extend(x, y, pressure);
    this.#announce(false);
  }

  /** Add a point to the open stroke, if any. Call `moved` after the last of several points. */
  extend(x, y, pressure) {
    if (!this.isOpen) return;
    const {xs, ys, pressures} = this.#open;
    const [atX, atY] = [onPad(x), onPad(y)];
    if (xs.at(-1) === atX && ys.at(-1) === atY) return;
    xs.push(atX);
    ys.push(atY);
    pressures.push(pressure);
  }

  moved() {
    if (this.isOpen) this.#announce(false);
  }

  end() {
    if (!this.isOpen) return;
    this.#close();
    this.#announce(true);
  }

  undo() {
    this.end();
    if (!this.canUndo) return;
    this.#future.push(this.strokes);
    this.strokes = this.#past.pop();
    this.#announce(true);
  }

  redo() {
    if (!this.canRedo) return;
    this.#past.push(this.strokes);
    this.strokes = this.#future.pop();
    this.#announce(true);
  }

  clear() {
    if (!this.isEmpty) this.replace({drawing: []});
  }

  /** Replace the drawing by another in pad units; undo restores the old one. */
  replace({drawing, traced}) {
    if (this.isOpen) this.#close();
    this.#remember(drawing.map(([xs, ys]) => ({xs, ys, traced, pressures: [], lists: [xs, ys]})));
    this.#announce(true);
  }

  /** {drawing, traced} as the API takes it: simplified strokes [[x, ...], [y, ...]], and whether some were traced. */
  drawn() {
    const drawing = this.strokes.map((stroke) => stroke.lists ?? simplified(stroke));
    return {drawing, traced: this.strokes.some(({traced}) => traced)};
  }

  #close() {
    this.#open.lists = simplified(this.#open);
    this.#open = null;
  }

  #remember(strokes) {
    this.#past.push(this.strokes);
    this.#future = [];
    this.strokes = strokes;
  }

  #announce(finished) {
    this.dispatchEvent(new CustomEvent("change", {detail: {finished}}));
  }
}

const simplified = ({xs, ys}) => simplify(xs, ys, TOLERANCE).map((values) => values.map(Math.round));
const onPad = (value) => Math.round(Math.min(SIDE, Math.max(0, value)) * 4) / 4;

/** A drawing in any units, scaled and centred on the pad. */
export function fitted(lists) {
  const strokes = lists.filter(([xs]) => xs.length);
  const {left, top, width, height} = extent(strokes);
  const scale = (FIT * SIDE) / (Math.max(width, height) || 1);
  const fit = (value, low, size) => onPad((value - low - size / 2) * scale + SIDE / 2);
  return strokes.map(([xs, ys]) => [
    xs.map((x) => fit(x, left, width)),
    ys.map((y) => fit(y, top, height)),
  ]);
}
