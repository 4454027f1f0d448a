// The package `garabato`. The custom element is a module of its own: import "garabato/pad".

import {extent, pathOf} from "./strokes.js";

export {Garabato, GarabatoError} from "./garabato.js";

/** A drawing as SVG markup that takes its colour from the text around it. */
export function toSvg(strokes, {lineWidth = 0.03} = {}) {
  const inked = strokes.filter(([xs]) => xs.length);
  const {left, top, width, height} = extent(inked);
  const side = (Math.max(width, height) || 1) * (1 + 2 * lineWidth);
  const corner = [left - (side - width) / 2, top - (side - height) / 2];
  const paths = inked.map(([xs, ys]) => `<path d="${pathOf(xs.map(Number), ys.map(Number))}"/>`);
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="${[...corner, side, side].join(" ")}" fill="none" ` +
    `stroke="currentColor" stroke-width="${side * lineWidth}" stroke-linecap="round" stroke-linejoin="round">` +
    `${paths.join("")}</svg>`
  );
}
