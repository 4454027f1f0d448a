// The pad: a canvas that shows a sketch and takes input from mouse, finger, pen and keyboard.

import {SIDE} from "./sketch.js";
import {pathOf} from "./strokes.js";

const LINE_WIDTH = 9;
/** Pad units per millisecond in a replay. */
const REPLAY_SPEED = 2.2;

export class Pad {
  #canvas;
  #sketch;
  #pointer = null;
  #paths = new WeakMap();
  #frame = 0;
  #replayed = null;
  /** The keyboard's pen, or null: {x, y, down}. */
  cursor = null;

  constructor(canvas, sketch) {
    this.#canvas = canvas;
    this.#sketch = sketch;
    new ResizeObserver(() => this.#fit()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.refresh());
    sketch.addEventListener("change", () => {
      this.#replayed = null;
      this.refresh();
    });
    canvas.addEventListener("pointerdown", (event) => this.#down(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    for (const ending of ["pointerup", "pointercancel", "lostpointercapture"]) {
      canvas.addEventListener(ending, (event) => this.#up(event));
    }
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  }

  /** Repaint with the next frame. */
  refresh() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#paint();
    });
  }

  replay() {
    if (this.#sketch.isEmpty) return;
    this.#replayed = performance.now();
    this.refresh();
  }

  #down(event) {
    if (this.#pointer !== null || event.button !== 0) return;
    this.#pointer = event.pointerId;
    this.#canvas.setPointerCapture(event.pointerId);
    this.cursor = null;
    this.#sketch.begin(...this.#positionOf(event));
  }

  #move(event) {
    if (event.pointerId !== this.#pointer) return;
    const between = event.getCoalescedEvents?.() ?? [];
    for (const moment of between.length ? between : [event]) {
      this.#sketch.extend(...this.#positionOf(moment));
    }
    this.#sketch.moved();
  }

  #up(event) {
    if (event.pointerId !== this.#pointer) return;
    this.#pointer = null;
    this.#sketch.end();
  }

  /** [x, y, pressure] of a pointer; pressure is null for anything but a pen. */
  #positionOf({clientX, clientY, pressure, pointerType}) {
    const {left, top, width} = this.#canvas.getBoundingClientRect();
    const scale = SIDE / width;
    return [(clientX - left) * scale, (clientY - top) * scale, pointerType === "pen" ? pressure : null];
  }

  #fit() {
    const side = Math.round(this.#canvas.clientWidth * devicePixelRatio);
    if (!side || this.#canvas.width === side) return;
    this.#canvas.width = this.#canvas.height = side;
    this.#paint();
  }

  #paint() {
    const context = this.#canvas.getContext("2d");
    const scale = this.#canvas.width / SIDE;
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, SIDE, SIDE);
    const style = getComputedStyle(this.#canvas);
    context.strokeStyle = style.color;
    context.lineCap = context.lineJoin = "round";
    if (this.#replayed) this.#paintReplay(context);
    else for (const stroke of this.#sketch.strokes) this.#paintStroke(context, stroke);
    if (this.cursor) this.#paintCursor(context, style.getPropertyValue("--red"));
  }

  #paintStroke(context, stroke) {
    if (stroke.pressures.some((pressure) => pressure)) {
      paintPressed(context, stroke);
      return;
    }
    // only finished strokes have lists, and they never change
    let path = stroke.lists && this.#paths.get(stroke);
    path ||= new Path2D(pathOf(stroke.xs, stroke.ys));
    if (stroke.lists) this.#paths.set(stroke, path);
    context.lineWidth = LINE_WIDTH;
    context.stroke(path);
  }

  #paintReplay(context) {
    let left = (performance.now() - this.#replayed) * REPLAY_SPEED;
    for (const stroke of this.#sketch.strokes) {
      const n = pointsWithin(stroke, left);
      this.#paintStroke(context, {
        xs: stroke.xs.slice(0, n),
        ys: stroke.ys.slice(0, n),
        pressures: stroke.pressures.slice(0, n),
      });
      left -= lengthOf(stroke);
      if (left <= 0) {
        this.refresh();
        return;
      }
    }
    this.#replayed = null;
  }

  #paintCursor(context, colour) {
    const {x, y, down} = this.cursor;
    context.strokeStyle = colour;
    context.lineWidth = 4;
    context.beginPath();
    context.arc(x, y, down ? 8 : 16, 0, 2 * Math.PI);
    context.stroke();
  }
}

/** A pen's stroke, wider under more pressure. */
function paintPressed(context, {xs, ys, pressures}) {
  for (let i = 0; i < xs.length; i++) {
    const from = Math.max(0, i - 1);
    context.lineWidth = LINE_WIDTH * (0.45 + 1.1 * (pressures[i] ?? 0.5));
    context.beginPath();
    context.moveTo(xs[from], ys[from]);
    context.lineTo(xs[i], ys[i]);
    context.stroke();
  }
}

const step = ({xs, ys}, i) => Math.hypot(xs[i] - xs[i - 1], ys[i] - ys[i - 1]);

function pointsWithin(stroke, length) {
  let n = 1;
  for (let left = length; n < stroke.xs.length && left > 0; n++) left -= step(stroke, n);
  return n;
}

function lengthOf(stroke) {
  let length = 60; // a pause between strokes
  for (let i = 1; i < stroke.xs.length; i++) length += step(stroke, i);
  return length;
}

const STEP = 10;
const LARGE_STEP = 50;
export const ARROWS = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};

/** Draw with the keyboard: arrow keys move the pen, Space or Enter puts it down or lifts it. */
export function drawWithKeys(canvas, sketch, pad, say) {
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in ARROWS) move(ARROWS[event.key], event.shiftKey ? LARGE_STEP : STEP);
    else if (event.key === " " || event.key === "Enter") toggle();
    else return;
    event.preventDefault();
    pad.refresh();
  });
  canvas.addEventListener("blur", () => {
    lift();
    pad.cursor = null;
    pad.refresh();
  });

  sketch.addEventListener("change", () => {
    if (!pad.cursor?.down || sketch.isOpen) return;
    pad.cursor.down = false; // its stroke was undone, or the drawing was replaced
    say("Pen up");
  });

  function cursor() {
    pad.cursor ??= {x: SIDE / 2, y: SIDE / 2, down: false};
    return pad.cursor;
  }

  function move([dx, dy], step) {
    const pen = cursor();
    pen.x = Math.min(SIDE, Math.max(0, pen.x + dx * step));
    pen.y = Math.min(SIDE, Math.max(0, pen.y + dy * step));
    if (!pen.down) return;
    sketch.extend(pen.x, pen.y, null);
    sketch.moved();
  }

  function toggle() {
    const pen = cursor();
    if (pen.down) {
      lift();
      say("Pen up");
    } else {
      sketch.begin(pen.x, pen.y, null);
      pen.down = true;
      say("Pen down");
    }
  }

  function lift() {
    if (!pad.cursor?.down) return;
    pad.cursor.down = false;
    sketch.end();
  }
}
