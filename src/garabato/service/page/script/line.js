// A stroke as the `d` of an SVG path, which Path2D takes too: round where the hand went round,
// sharp where it turned.

/** Turns of more than this are corners. */
const CORNER = Math.cos((50 * Math.PI) / 180);

export function lineOf(xs, ys) {
  const last = xs.length - 1;
  let d = `M${xs[0]} ${ys[0]}`;
  if (last < 1) return `${d}h.01`; // a dot: round caps make it visible
  for (let i = 1; i < last; i++) {
    if (isCorner(xs, ys, i)) d += `L${xs[i]} ${ys[i]}`;
    else d += `Q${xs[i]} ${ys[i]} ${middle(xs, i)} ${middle(ys, i)}`;
  }
  return `${d}L${xs[last]} ${ys[last]}`;
}

const middle = (values, i) => Math.round((values[i] + values[i + 1]) * 8) / 16;

function isCorner(xs, ys, i) {
  const [ax, ay] = [xs[i] - xs[i - 1], ys[i] - ys[i - 1]];
  const [bx, by] = [xs[i + 1] - xs[i], ys[i + 1] - ys[i]];
  return ax * bx + ay * by < CORNER * Math.hypot(ax, ay) * Math.hypot(bx, by);
}
