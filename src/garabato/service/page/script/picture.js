// A drawing as an SVG element, crisp at any size, that can draw itself stroke by stroke.

import {motionIsWelcome, svg} from "./dom.js";
import {lineOf} from "./line.js";
import {extent} from "./sketch.js";

/** How long a drawing takes to draw itself, whatever its size. */
const DURATION_MS = 1100;

export function picture(lists) {
  const strokes = lists.filter(([xs]) => xs.length);
  const {left, top, width, height} = extent(strokes);
  const side = Math.max(width, height, 1);
  const corner = [left - (side - width) / 2, top - (side - height) / 2];
  return svg(
    "svg",
    {class: "picture", viewBox: `${corner.join(" ")} ${side} ${side}`, "aria-hidden": "true"},
    ...strokes.map(([xs, ys]) => svg("path", {d: lineOf(xs, ys)})),
  );
}

/** Let a picture draw itself once, in the order in which it was drawn. */
export function animate(drawn) {
  if (!motionIsWelcome()) return;
  stop(drawn);
  const paths = [...drawn.querySelectorAll("path")];
  // "non-scaling-stroke" measures dashes in pixels of the screen
  const scale = drawn.getBoundingClientRect().width / drawn.viewBox.baseVal.width;
  const lengths = paths.map((path) => path.getTotalLength() * scale + 1);
  const total = lengths.reduce((sum, length) => sum + length, 0);
  let delay = 0;
  paths.forEach((path, i) => {
    const duration = (DURATION_MS * lengths[i]) / total;
    const dash = `${lengths[i]} ${lengths[i]}`;
    path.animate(
      [
        {strokeDasharray: dash, strokeDashoffset: lengths[i], opacity: 0},
        {opacity: 1, offset: 0.01},
        {strokeDasharray: dash, strokeDashoffset: 0, opacity: 1},
      ],
      {duration, delay, fill: "backwards"},
    );
    delay += duration;
  });
}

/** Show the whole picture at once again. */
export function stop(drawn) {
  for (const animation of drawn.getAnimations({subtree: true})) animation.cancel();
}
