// The drawing on the sheet: strokes in units of the sheet (0..SIDE), and the way back and forth.
//
// Says "change" after anything that changes it; `event.detail.finished` is false while the pen is
// still down.

import {simplify} from "./simplify.js";

export const SIDE = 1000;
/** Google's recipe drops what is nearer than 2 of 255 units to the line; a quarter of that here. */
const TOLERANCE = 2;
/** How much of the sheet a drawing from elsewhere takes. */
const FIT = 0.8;

export class Sketch extends EventTarget {
  /** Strokes {xs, ys, pressures, lists}; arrays of strokes are never changed, only replaced. */
  strokes = [];
  #past = [];
  #future = [];
  #open = null;

  /** Whether a stroke is begun and not ended; undo and drawings from elsewhere end it, too. */
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
    this.#say(false);
  }

  /** One more point of the open stroke, if one is open still; call `moved` when a bunch of them is
   * in. */
  extend(x, y, pressure) {
    if (!this.isOpen) return;
    const {xs, ys, pressures} = this.#open;
    const [atX, atY] = [onSheet(x), onSheet(y)];
    if (xs.at(-1) === atX && ys.at(-1) === atY) return;
    xs.push(atX);
    ys.push(atY);
    pressures.push(pressure);
  }

  moved() {
    if (this.isOpen) this.#say(false);
  }

  end() {
    if (!this.isOpen) return;
    this.#close();
    this.#say(true);
  }

  undo() {
    this.end();
    if (!this.canUndo) return;
    this.#future.push(this.strokes);
    this.strokes = this.#past.pop();
    this.#say(true);
  }

  redo() {
    if (!this.canRedo) return;
    this.#past.push(this.strokes);
    this.strokes = this.#future.pop();
    this.#say(true);
  }

  clear() {
    if (!this.isEmpty) this.replace([]);
  }

  /** Put another drawing on the sheet, in its units; undo brings back the old one. */
  replace(lists) {
    if (this.isOpen) this.#close();
    this.#remember(lists.map(([xs, ys]) => ({xs, ys, pressures: [], lists: [xs, ys]})));
    this.#say(true);
  }

  /** The drawing as the service takes it: [[x, ...], [y, ...]] a stroke, simplified. */
  lists() {
    return this.strokes.map((stroke) => stroke.lists ?? simplified(stroke));
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

  #say(finished) {
    this.dispatchEvent(new CustomEvent("change", {detail: {finished}}));
  }
}

const simplified = ({xs, ys}) => simplify(xs, ys, TOLERANCE).map((values) => values.map(Math.round));
const onSheet = (value) => Math.round(Math.min(SIDE, Math.max(0, value)) * 4) / 4;

/** A drawing in any units, moved and scaled to the middle of the sheet. */
export function fitted(lists) {
  const strokes = lists.filter(([xs]) => xs.length);
  const {left, top, width, height} = extent(strokes);
  const scale = (FIT * SIDE) / (Math.max(width, height) || 1);
  const place = (value, low, size) => onSheet((value - low - size / 2) * scale + SIDE / 2);
  return strokes.map(([xs, ys]) => [
    xs.map((x) => place(x, left, width)),
    ys.map((y) => place(y, top, height)),
  ]);
}

/** The box around a drawing: {left, top, width, height}. */
export function extent(lists) {
  if (!lists.length) return {left: 0, top: 0, width: 0, height: 0};
  const box = {left: Infinity, top: Infinity, right: -Infinity, bottom: -Infinity};
  for (const [xs, ys] of lists) {
    for (const x of xs) [box.left, box.right] = [Math.min(box.left, x), Math.max(box.right, x)];
    for (const y of ys) [box.top, box.bottom] = [Math.min(box.top, y), Math.max(box.bottom, y)];
  }
  return {left: box.left, top: box.top, width: box.right - box.left, height: box.bottom - box.top};
}
