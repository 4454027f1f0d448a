// The map of the gallery: points below, names, drawings and found ones above; pan, zoom, point at.

import {Camera} from "./camera.js";
import {Closeups, paintDrawing} from "./closeup.js";
import {coloursOf} from "./colours.js";
import {steer} from "./steering.js";
import {Points} from "./points.js";

/** With no more than this many in view they are drawn, not dotted. */
const MAX_DRAWN = 140;
/** A name stands so far above the middle of its category, which it would hide. */
const NAME_ABOVE_PX = 15;
const DARK = matchMedia("(prefers-color-scheme: dark)");

export class Chart extends EventTarget {
  camera = new Camera();
  #below;
  #over;
  #points;
  #places = null;
  #frame = 0;
  #closeups = new Closeups(() => this.refresh());
  #found = [];
  #only = -1;

  /** Says "point" with detail {row, left, top} (row -1: nothing there), "choose" likewise, "leave". */
  constructor(below, over) {
    super();
    this.#below = below;
    this.#over = over;
    this.#points = new Points(below);
    new ResizeObserver(() => this.refresh()).observe(over);
    DARK.addEventListener("change", () => this.#recolour());
    steer(over, this.camera, {
      moved: () => this.refresh(),
      pointed: (left, top) => this.#say("point", left, top),
      left: () => this.dispatchEvent(new Event("leave")),
      chosen: (left, top) => this.#say("choose", left, top),
    });
  }

  show(places) {
    this.#places = places;
    this.#recolour();
  }

  /** The drawings found last, by key_id; shows where they are. */
  highlight(keyIds) {
    this.#found = keyIds.map((keyId) => this.#places.rowOf(keyId)).filter((row) => row >= 0);
    if (this.#found.length) this.camera.frame(this.#found.map((row) => [this.#places.x[row], this.#places.y[row]]));
    this.refresh();
  }

  /** Dim all categories but this one (its row); -1 for none. */
  only(category) {
    this.#only = category;
    this.refresh();
  }

  /** The drawing at a row as far as it is here: {category, drawing?}. */
  about(row) {
    const keyId = this.#places.keyIds[row];
    const category = this.#places.categories[this.#places.category[row]];
    return {key_id: keyId, category, ...this.#closeups.get(keyId)};
  }

  refresh() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      if (this.#places && this.#over.clientWidth) this.#paint();
    });
  }

  #recolour() {
    if (!this.#places) return;
    this.colours = coloursOf(this.#places.centres, DARK.matches);
    this.dispatchEvent(new Event("colours"));
    this.refresh();
  }

  #paint() {
    const {camera} = this;
    [camera.width, camera.height] = [this.#over.clientWidth, this.#over.clientHeight];
    const ratio = Math.min(2, devicePixelRatio);
    const style = getComputedStyle(this.#over);
    const paint = {
      ratio,
      paper: rgb(style.getPropertyValue("--paper")),
      colours: this.colours,
      only: this.#only,
    };
    this.#points.paint(this.#places, camera, paint);
    const context = this.#freshOver(ratio);
    const drawn = this.#paintCloseups(context, style);
    this.#paintFound(context, style, drawn);
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

  /** Drawings instead of points where few enough are in view; says whether they are. */
  #paintCloseups(context, style) {
    const {camera} = this;
    const [left, top] = camera.toMap(0, 0);
    const [right, bottom] = camera.toMap(camera.width, camera.height);
    const rows = this.#places.within(left, top, right, bottom, MAX_DRAWN + 1);
    if (rows.length > MAX_DRAWN) return false;
    this.#closeups.want(rows.map((row) => this.#places.keyIds[row]));
    const size = Math.min(76, Math.max(34, 0.5 * Math.sqrt((camera.width * camera.height) / (rows.length || 1))));
    for (const row of rows) {
      const one = this.#closeups.get(this.#places.keyIds[row]);
      if (!one) continue;
      const [x, y] = this.#seen(row);
      context.fillStyle = style.getPropertyValue("--paper");
      context.globalAlpha = 0.86;
      context.beginPath();
      context.arc(x, y, 0.62 * size, 0, 2 * Math.PI);
      context.fill();
      context.globalAlpha = this.#only < 0 || this.#places.category[row] === this.#only ? 1 : 0.25;
      context.strokeStyle = `rgb(${this.colours[this.#places.category[row]]})`;
      paintDrawing(context, one, x, y, 0.8 * size);
      context.globalAlpha = 1;
    }
    return true;
  }

  #paintFound(context, style, drawn) {
    context.strokeStyle = style.getPropertyValue("--red");
    this.#found.forEach((row, rank) => {
      const [x, y] = this.#seen(row);
      context.lineWidth = rank ? 1.8 : 3;
      context.beginPath();
      context.arc(x, y, drawn ? 34 : rank ? 7 : 10, 0, 2 * Math.PI);
      context.stroke();
    });
  }

  /** Names where their categories are, the largest first, as many as do not overlap. */
  #paintNames(context, style) {
    const {categories, centres} = this.#places;
    context.font = `600 13px ${style.fontFamily}`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.strokeStyle = style.getPropertyValue("--paper");
    context.fillStyle = style.getPropertyValue("--text");
    context.lineWidth = 4;
    const taken = [];
    const order = [...centres.keys()].sort((a, b) => centres[b].n - centres[a].n);
    if (this.#only >= 0) order.unshift(this.#only);
    for (const i of order) {
      if (!centres[i].n) continue;
      const [x, below] = this.camera.toScreen(centres[i].x, centres[i].y);
      const y = below - NAME_ABOVE_PX;
      if (x < 0 || y < 0 || x > this.camera.width || y > this.camera.height) continue;
      const half = context.measureText(categories[i]).width / 2 + 12;
      if (taken.some((box) => Math.abs(box.x - x) < box.half + half && Math.abs(box.y - y) < 30)) continue;
      taken.push({x, y, half});
      context.strokeText(categories[i], x, y);
      context.fillText(categories[i], x, y);
    }
  }

  #seen(row) {
    return this.camera.toScreen(this.#places.x[row], this.#places.y[row]);
  }

  #say(name, left, top) {
    if (!this.#places) return;
    const [x, y] = this.camera.toMap(left, top);
    const row = left === null ? -1 : this.#places.nearest(x, y, 22 / this.camera.scale);
    this.dispatchEvent(new CustomEvent(name, {detail: {row, left, top}}));
  }
}

function rgb(hex) {
  const value = parseInt(hex.trim().slice(1), 16);
  return [(value >> 16) & 255, (value >> 8) & 255, value & 255];
}
