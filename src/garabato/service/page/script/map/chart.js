// The map of the gallery: points on one canvas; names, drawings and highlights on another above it.

import {drawing} from "../api.js";
import {extent, pathOf} from "../strokes.js";
import {Camera, steer} from "./camera.js";
import {coloursOf, Points} from "./points.js";

/** With at most this many drawings in view, drawings replace points. */
const MAX_DRAWN = 140;
/** At most one name for each such area. */
const AREA_PER_NAME_PX2 = 17_000;
/** Moving the map leaves at least one point this far inside the view. */
const KEPT_IN_VIEW_PX = 40;
/** Names stand this far above the middle of their category. */
const NAME_ABOVE_PX = 15;
/** The pointer selects the nearest drawing within this distance. */
const REACH_PX = 22;
const DARK = matchMedia("(prefers-color-scheme: dark)");

export class Chart extends EventTarget {
  #below;
  #over;
  #points;
  #positions = null;
  #frame = 0;
  #closeups = new Closeups(() => {
    this.refresh();
    this.dispatchEvent(new Event("arrived"));
  });
  #highlighted = [];
  #only = -1;

  /** Dispatches "point" and "choose" with detail {row, left, top} (row -1: no drawing there), "leave", "moved", and
   * "arrived" when `about` has another drawing. */
  constructor(below, over) {
    super();
    this.#below = below;
    this.#over = over;
    this.camera = new Camera(over);
    this.#points = new Points(below);
    new ResizeObserver(() => this.refresh()).observe(over);
    DARK.addEventListener("change", () => this.#recolour());
    steer(over, this.camera, {
      moved: () => this.moved(),
      pointed: (left, top) => this.#announce("point", left, top),
      left: () => this.dispatchEvent(new Event("leave")),
      chosen: (left, top) => this.#announce("choose", left, top),
    });
  }

  show(positions) {
    this.#positions = positions;
    this.#recolour();
  }

  /** Repaint after the camera has moved, with at least one drawing in view. */
  moved() {
    const {camera} = this;
    this.dispatchEvent(new Event("moved"));
    if (this.#positions?.n && !this.#positions.within(...camera.window, 1).length) {
      const row = this.#positions.nearest(camera.x, camera.y, 2, 2); // of all
      camera.include(this.#positions.x[row], this.#positions.y[row], KEPT_IN_VIEW_PX);
    }
    this.refresh();
  }

  showAll() {
    this.camera.reset();
    this.moved();
  }

  /** Circle these drawings and move to them; returns how many of them are on the map. */
  highlight(keyIds) {
    this.#highlighted = keyIds.map((keyId) => this.#positions.rowOf(keyId)).filter((row) => row >= 0);
    if (this.#highlighted.length && this.camera.width) this.camera.frame(this.#highlighted.map((row) => [this.#positions.x[row], this.#positions.y[row]]));
    this.refresh();
    return this.#highlighted.length;
  }

  /** Dim all categories but this one (its row); -1 for none. */
  only(category) {
    this.#only = category;
    this.refresh();
  }

  /** {key_id, category} of the drawing at a row, and `drawing` once it has arrived. */
  about(row) {
    const keyId = this.#positions.keyIds[row];
    const category = this.#positions.categories[this.#positions.category[row]] || null;
    return {key_id: keyId, category, ...this.#closeups.get(keyId)};
  }

  refresh() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      if (this.#positions && this.#over.clientWidth) this.#paint();
    });
  }

  #recolour() {
    if (!this.#positions) return;
    this.colours = coloursOf(this.#positions.centres, DARK.matches);
    this.dispatchEvent(new Event("colours"));
    this.refresh();
  }

  #paint() {
    const {camera} = this;
    const ratio = Math.min(2, devicePixelRatio);
    const style = getComputedStyle(this.#over);
    const paper = rgb(style.getPropertyValue("--paper"));
    this.#points.paint(this.#positions, camera, {ratio, paper, colours: this.colours, only: this.#only});
    const context = this.#freshOver(ratio);
    const drawn = this.#paintCloseups(context, style);
    this.#paintHighlights(context, style, drawn);
    if (!drawn) this.#paintNames(context, style);
  }

  #freshOver(ratio) {
    const {width, height} = this.camera;
    const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (this.#over.width !== w || this.#over.height !== h) [this.#over.width, this.#over.height] = [w, h];
    const context = this.#over.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    context.lineCap = context.lineJoin = "round";
    return context;
  }

  /** Paint drawings instead of points if few enough are in view; returns their size. */
  #paintCloseups(context, style) {
    const {camera} = this;
    const rows = this.#positions.within(...camera.window, MAX_DRAWN + 1);
    if (rows.length > MAX_DRAWN) return 0;
    const size = Math.min(76, Math.max(34, 0.5 * Math.sqrt((camera.width * camera.height) / (rows.length || 1))));
    const places = []; // where drawings would overlap, points stay
    for (const row of rows) {
      const [x, y] = this.#onScreen(row);
      if (places.every((at) => Math.hypot(at.x - x, at.y - y) > size)) places.push({row, x, y});
    }
    this.#closeups.want(places.map(({row}) => this.#positions.keyIds[row]));
    for (const {row, x, y} of places) {
      const one = this.#closeups.get(this.#positions.keyIds[row]);
      if (!one) continue;
      context.fillStyle = style.getPropertyValue("--paper");
      context.beginPath();
      context.arc(x, y, 0.62 * size, 0, 2 * Math.PI);
      context.fill();
      context.globalAlpha = this.#only < 0 || this.#positions.category[row] === this.#only ? 1 : 0.25;
      context.strokeStyle = `rgb(${this.colours[this.#positions.category[row]]})`;
      paintDrawing(context, one, x, y, 0.8 * size);
      context.globalAlpha = 1;
    }
    return size;
  }

  #paintHighlights(context, style, drawn) {
    context.strokeStyle = style.getPropertyValue("--red");
    this.#highlighted.forEach((row, rank) => {
      const [x, y] = this.#onScreen(row);
      context.lineWidth = rank ? 1.8 : 3;
      context.beginPath();
      context.arc(x, y, drawn * 0.6 || (rank ? 7 : 10), 0, 2 * Math.PI);
      context.stroke();
    });
  }

  /** Paint category names, largest category first, skipping names that would overlap. */
  #paintNames(context, style) {
    const {categories, centres} = this.#positions;
    context.font = `600 13px ${style.fontFamily}`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.strokeStyle = style.getPropertyValue("--paper");
    context.fillStyle = style.getPropertyValue("--text");
    context.lineWidth = 4;
    const taken = [];
    const most = Math.max(4, (this.camera.width * this.camera.height) / AREA_PER_NAME_PX2);
    const turn = (i) => (i * 7919) % centres.length; // if equal: not alphabetical
    const order = [...centres.keys()].sort((a, b) => centres[b].n - centres[a].n || turn(a) - turn(b));
    if (this.#only >= 0) order.unshift(this.#only);
    for (const i of order) {
      if (!centres[i].n) continue;
      if (taken.length >= most) break;
      const [at, below] = this.camera.toScreen(centres[i].x, centres[i].y);
      if (at < 0 || below < 0 || at > this.camera.width || below > this.camera.height) continue;
      const half = context.measureText(categories[i]).width / 2 + 12;
      const x = Math.min(this.camera.width - half, Math.max(half, at));
      const y = Math.max(NAME_ABOVE_PX, below - NAME_ABOVE_PX);
      if (taken.some((box) => Math.abs(box.x - x) < box.half + half && Math.abs(box.y - y) < 30)) continue;
      taken.push({x, y, half});
      context.strokeText(categories[i], x, y);
      context.fillText(categories[i], x, y);
    }
  }

  #onScreen(row) {
    return this.camera.toScreen(this.#positions.x[row], this.#positions.y[row]);
  }

  #announce(name, left, top) {
    if (!this.#positions) return;
    const [x, y] = this.camera.toMap(left, top);
    const row = this.#positions.nearest(x, y, REACH_PX / this.camera.scaleX, REACH_PX / this.camera.scaleY);
    this.dispatchEvent(new CustomEvent(name, {detail: {row, left, top}}));
  }
}

function rgb(hex) {
  const value = parseInt(hex.trim().slice(1), 16);
  return [(value >> 16) & 255, (value >> 8) & 255, value & 255];
}

/** Requests at a time, and drawings kept. */
const N_PARALLEL = 4;
const MAX_KEPT = 2000;

/** The drawings in view, fetched a few at a time. */
class Closeups {
  #known = new Map();
  #queue = [];
  #nRunning = 0;
  #changed;

  /** Call `changed()` when a drawing has arrived. */
  constructor(changed) {
    this.#changed = changed;
  }

  /** {key_id, category, drawing, path, side, ...} if it has arrived; otherwise null, and it is fetched. */
  get(keyId) {
    const known = this.#known.get(keyId);
    if (known) return known;
    this.want([keyId, ...this.#queue]);
    return null;
  }

  /** Fetch these, dropping what was queued before. */
  want(keyIds) {
    this.#queue = keyIds.filter((keyId) => !this.#known.has(keyId));
    while (this.#nRunning < N_PARALLEL && this.#queue.length) this.#fetch(this.#queue.shift());
  }

  async #fetch(keyId) {
    this.#nRunning++;
    this.#known.set(keyId, null);
    try {
      const one = await drawing(keyId);
      const {left, top, width, height} = extent(one.drawing);
      const path = new Path2D(one.drawing.map(([xs, ys]) => pathOf(xs, ys)).join(""));
      const centre = [left + width / 2, top + height / 2];
      this.#known.set(keyId, {...one, path, centre, side: Math.max(width, height, 1)});
      if (this.#known.size > MAX_KEPT) this.#known.delete(this.#known.keys().next().value);
      this.#changed();
    } catch ({status}) {
      // what was removed after the map was computed stays a point
      if (status !== 404) this.#known.delete(keyId);
    }
    this.#nRunning--;
    this.want(this.#queue);
  }
}

function paintDrawing(context, {path, centre, side}, left, top, size) {
  context.save();
  context.translate(left, top);
  context.scale(size / side, size / side);
  context.translate(-centre[0], -centre[1]);
  context.lineWidth = (1.5 * side) / size;
  context.stroke(path);
  context.restore();
}
