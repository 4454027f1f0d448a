// Move a camera with mouse, wheel, one or two fingers, or keys.

/** More than this many pixels is a drag and not a click. */
const SLOP_PX = 6;
const KEY_STEP_PX = 60;
const ARROWS = {ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1]};

/** Calls `moved()`, `pointed(x, y)` (null, null: at nothing any more), `left()` when the pointer is
 * elsewhere, and `chosen(x, y)`. */
export function steer(surface, camera, {moved, pointed, left, chosen}) {
  const fingers = new Map();
  let travelled = 0;

  const place = ({clientX, clientY}) => {
    const {left, top} = surface.getBoundingClientRect();
    return [clientX - left, clientY - top];
  };

  surface.addEventListener("pointerdown", (event) => {
    surface.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, place(event));
    if (fingers.size === 1) travelled = 0;
    surface.classList.add("panning");
    pointed(null, null);
  });

  surface.addEventListener("pointermove", (event) => {
    const now = place(event);
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
      camera.zoomAt(Math.exp(-Math.max(-80, Math.min(80, event.deltaY * lines)) / 220), ...place(event));
      pointed(null, null);
      moved();
    },
    {passive: false},
  );

  surface.addEventListener("keydown", ({key}) => {
    if (key in ARROWS) camera.pan(KEY_STEP_PX * ARROWS[key][0], KEY_STEP_PX * ARROWS[key][1]);
    else if (key === "+" || key === "=") camera.zoomAt(1.4);
    else if (key === "-") camera.zoomAt(1 / 1.4);
    else if (key === "Enter") chosen(camera.width / 2, camera.height / 2);
    else return;
    moved();
  });
  surface.addEventListener("keydown", (event) => {
    if (event.key in ARROWS) event.preventDefault();
  });
}

const distance = ([ax, ay], [bx, by]) => Math.hypot(ax - bx, ay - by);
const middle = ([ax, ay], [bx, by]) => [(ax + bx) / 2, (ay + by) / 2];
