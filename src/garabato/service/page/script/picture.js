// A drawing as an SVG element that can replay its strokes.

import {motionAllowed, svg} from "./dom.js";
import {extent, pathOf} from "./strokes.js";

const REPLAY_MS = 1100;

export function picture(lists) {
  const strokes = lists.filter(([xs]) => xs.length);
  const {left, top, width, height} = extent(strokes);
  const side = Math.max(width, height, 1);
  const corner = [left - (side - width) / 2, top - (side - height) / 2];
  return svg(
    "svg",
    {class: "picture", viewBox: `${corner.join(" ")} ${side} ${side}`, "aria-hidden": "true"},
    ...strokes.map(([xs, ys]) => svg("path", {d: pathOf(xs, ys)})),
  );
}

/** Replay the strokes of an SVG element once, in their order. */
export function animate(drawn, durationMs = REPLAY_MS) {
  if (!motionAllowed()) return;
  stop(drawn);
  const paths = [...drawn.querySelectorAll("path")];
  // with "non-scaling-stroke", dashes are measured in screen pixels
  const scale = drawn.getScreenCTM()?.a ?? 1;
  const lengths = paths.map((path) => path.getTotalLength() * scale + 1);
  const total = lengths.reduce((sum, length) => sum + length, 0);
  let delay = 0;
  paths.forEach((path, i) => {
    const duration = (durationMs * lengths[i]) / total;
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

/** Stop the replay and show the whole picture. */
export function stop(drawn) {
  for (const animation of drawn.getAnimations({subtree: true})) animation.cancel();
}
