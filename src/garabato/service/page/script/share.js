// Drawings in links: differences between points as variable-length integers, in base64url. A typical
// drawing takes 200 characters.

import {SIDE} from "./sketch.js";

/** The first byte: of strokes as drawn, and traced ones. */
const [DRAWN, TRACED] = [1, 2];

export function encode({drawing, traced}) {
  const bytes = [traced ? TRACED : DRAWN];
  let [x, y] = [0, 0];
  for (const [xs, ys] of drawing) {
    unsigned(bytes, xs.length);
    xs.forEach((_, i) => {
      const [nextX, nextY] = [Math.round(xs[i]), Math.round(ys[i])];
      signed(bytes, nextX - x);
      signed(bytes, nextY - y);
      [x, y] = [nextX, nextY];
    });
  }
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** {drawing, traced} of a fragment, or null if it is invalid. */
export function decode(text) {
  let bytes;
  try {
    bytes = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  } catch {
    return null;
  }
  const kind = bytes.charCodeAt(0);
  if (![DRAWN, TRACED].includes(kind)) return null;
  let at = 1;
  /** NaN at a truncated end; every check refuses NaN. */
  const readUnsigned = () => {
    let value = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = bytes.charCodeAt(at++);
      value |= (byte & 127) << shift;
      if (byte < 128) return value;
    }
    return NaN;
  };
  const readSigned = () => {
    const value = readUnsigned();
    return value % 2 ? -(value + 1) / 2 : value / 2;
  };
  const drawing = [];
  let [x, y] = [0, 0];
  while (at < bytes.length) {
    const n = readUnsigned();
    if (!(n >= 1 && n <= bytes.length)) return null;
    const [xs, ys] = [[], []];
    for (let i = 0; i < n; i++) {
      xs.push((x += readSigned()));
      ys.push((y += readSigned()));
    }
    if (![...xs, ...ys].every((value) => value >= 0 && value <= SIDE)) return null;
    drawing.push([xs, ys]);
  }
  return drawing.length ? {drawing, traced: kind === TRACED} : null;
}

function unsigned(bytes, value) {
  for (; value > 127; value >>>= 7) bytes.push((value & 127) | 128);
  bytes.push(value);
}

const signed = (bytes, value) => unsigned(bytes, value < 0 ? -2 * value - 1 : 2 * value);
