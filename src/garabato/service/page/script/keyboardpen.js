// Draw with the keyboard: arrows move the pen, Space or Enter sets it down and lifts it.

import {SIDE} from "./sketch.js";

const STEP = 10;
const LARGE_STEP = 50;
const ARROWS = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};

export function drawWithKeys(canvas, sketch, sheet, say) {
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in ARROWS) move(ARROWS[event.key], event.shiftKey ? LARGE_STEP : STEP);
    else if (event.key === " " || event.key === "Enter") toggle();
    else return;
    event.preventDefault();
    sheet.refresh();
  });
  canvas.addEventListener("blur", () => {
    lift();
    sheet.cursor = null;
    sheet.refresh();
  });

  sketch.addEventListener("change", () => {
    if (!sheet.cursor?.down || sketch.isOpen) return;
    sheet.cursor.down = false; // its stroke was taken back, or another drawing came
    say("Pen up");
  });

  function cursor() {
    sheet.cursor ??= {x: SIDE / 2, y: SIDE / 2, down: false};
    return sheet.cursor;
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
    if (!sheet.cursor?.down) return;
    sheet.cursor.down = false;
    sketch.end();
  }
}
