// The visible part of the map, moved by mouse, wheel, fingers or keys. The map is 1 x 1; `scaleX` and
// `scaleY` are its sides in CSS pixels. At zoom 1 it fills the view.

import {ARROWS} from "../pad.js";

const MAX_ZOOM = 400;
const MARGIN = 0.92;
/** Room around framed positions; below zoom 2, all are shown. */
const FRAME_PX = 60;
/** The most that the map is stretched in one direction, so that distances stay meaningful. */
const MAX_STRETCH = 1.8;

export class Camera {
  x = 0.5;
  y = 0.5;
  zoom = 1;
  #surface;

  constructor(surface) {
    this.#surface = surface;
  }

  get width() {
    return this.#surface.clientWidth;
  }

  get height() {
    return this.#surface.clientHeight;
  }

  get scaleX() {
    return Math.min(this.width, this.height * MAX_STRETCH) * MARGIN * this.zoom;
  }

  get scaleY() {
    return Math.min(this.height, this.width * MAX_STRETCH) * MARGIN * this.zoom;
  }

  toScreen(x, y) {
    return [(x - this.x) * this.scaleX + this.width / 2, (y - this.y) * this.scaleY + this.height / 2];
  }

  toMap(left, top) {
    return [(left - this.width / 2) / this.scaleX + this.x, (top - this.height / 2) / this.scaleY + this.y];
  }

  /** The part of the map in view: [left, top, right, bottom]. */
  get window() {
    return [...this.toMap(0, 0), ...this.toMap(this.width, this.height)];
  }

  pan(dx, dy) {
    this.#lookAt(this.x - dx / this.scaleX, this.y - dy / this.scaleY);
  }

  reset() {
    this.zoom = 1;
    this.#lookAt(0.5, 0.5);
  }

  /** Move as little as it takes for (x, y) to be in view, `marginPx` from the edge. */
  include(x, y, marginPx) {
    const [left, top] = this.toScreen(x, y);
    const outside = (at, size) => Math.min(0, at - marginPx) + Math.max(0, at - (size - marginPx));
    this.pan(-outside(left, this.width), -outside(top, this.height));
  }

  /** Zoom around (left, top), the middle by default. */
  zoomAt(factor, left = this.width / 2, top = this.height / 2) {
    const [x, y] = this.toMap(left, top);
    this.zoom = Math.min(MAX_ZOOM, Math.max(Math.min(1, this.zoom), this.zoom * factor));
    const [nowX, nowY] = this.toMap(left, top);
    this.#lookAt(this.x + x - nowX, this.y + y - nowY);
  }

  /** Show these positions [[x, y], ...] with a margin. */
  frame(positions) {
    this.reset();
    const sides = [[this.width, this.scaleX], [this.height, this.scaleY]].map(([side, scale], axis) => {
      const all = positions.map((position) => position[axis]);
      const [low, high] = [Math.min(...all), Math.max(...all)];
      return {middle: (low + high) / 2, zoom: (side - 2 * FRAME_PX) / scale / (high - low || 1e-9)};
    });
    this.zoom = Math.min(12, ...sides.map(({zoom}) => zoom));
    if (this.zoom < 2) this.zoom = Math.min(1, this.zoom);
    else this.#lookAt(...sides.map(({middle}) => middle));
  }

  #lookAt(x, y) {
    this.x = Math.min(1, Math.max(0, x));
    this.y = Math.min(1, Math.max(0, y));
  }
}

/** A pointer that moves farther than this drags instead of clicking. */
const SLOP_PX = 6;
const KEY_STEP_PX = 60;

/** Let the user move `camera` on `surface`. Calls `moved()`, `pointed(x, y)`, `left()` when the pointer leaves,
 * and `chosen(x, y)` for a click. */
export function steer(surface, camera, {moved, pointed, left, chosen}) {
  const fingers = new Map();
  let travelled = 0;

  const positionOf = ({clientX, clientY}) => {
    const {left, top} = surface.getBoundingClientRect();
    return [clientX - left, clientY - top];
  };

  surface.addEventListener("pointerdown", (event) => {
    if (event.button) return; // the menu of the right one may swallow its release
    surface.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, positionOf(event));
    if (fingers.size === 1) travelled = 0;
    surface.classList.add("panning");
  });

  surface.addEventListener("pointermove", (event) => {
    const now = positionOf(event);
    const before = fingers.get(event.pointerId);
    if (!before) {
      if (event.pointerType === "mouse") pointed(...now);
      return;
    }
    const [dx, dy] = [now[0] - before[0], now[1] - before[1]];
    travelled += Math.hypot(dx, dy);
    camera.pan(dx / fingers.size, dy / fingers.size);
    const other = [...fingers].find(([id]) => id !== event.pointerId)?.[1];
    if (other) camera.zoomAt(distance(now, other) / (distance(before, other) || 1), ...middle(now, other));
    fingers.set(event.pointerId, now);
    moved();
  });

  for (const ending of ["pointerup", "pointercancel"]) {
    surface.addEventListener(ending, (event) => {
      const at = fingers.get(event.pointerId);
      if (!fingers.delete(event.pointerId) || fingers.size) return;
      surface.classList.remove("panning");
      if (ending === "pointerup" && travelled < SLOP_PX) chosen(...at);
    });
  }
  surface.addEventListener("pointerleave", left);

  surface.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
      camera.zoomAt(Math.exp(-Math.max(-80, Math.min(80, event.deltaY * lines)) / 220), ...positionOf(event));
      moved();
    },
    {passive: false},
  );

  surface.addEventListener("keydown", (event) => {
    const {key} = event;
    if (event.ctrlKey || event.metaKey || event.altKey) return; // the browser's own shortcuts
    if (key === "Enter") return chosen(camera.width / 2, camera.height / 2);
    if (key in ARROWS) camera.pan(...ARROWS[key].map((step) => -KEY_STEP_PX * step));
    else if (key === "+" || key === "=") camera.zoomAt(1.4);
    else if (key === "-") camera.zoomAt(1 / 1.4);
    else return;
    event.preventDefault();
    moved();
  });
}

const distance = ([ax, ay], [bx, by]) => Math.hypot(ax - bx, ay - by);
const middle = ([ax, ay], [bx, by]) => [(ax + bx) / 2, (ay + by) / 2];
