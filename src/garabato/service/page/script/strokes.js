// Geometry of strokes: smooth paths, extent, simplification.

/** Sharper turns than this stay corners. */
const CORNER = Math.cos((50 * Math.PI) / 180);

/** A stroke as SVG path data (for Path2D too): curves are smoothed, corners stay sharp. */
export function pathOf(xs, ys) {
  const last = xs.length - 1;
  let d = `M${xs[0]} ${ys[0]}`;
  if (last < 1) return `${d}h.01`; // a dot, visible through its round caps
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

/** Ramer-Douglas-Peucker: drop points that are within `tolerance` of the simplified stroke. */
export function simplify(xs, ys, tolerance) {
  const keep = new Uint8Array(xs.length);
  if (!xs.length) return [[], []];
  keep[0] = keep[xs.length - 1] = 1;
  const open = [[0, xs.length - 1]];
  while (open.length) {
    const [first, last] = open.pop();
    const [farthest, distance] = farthestBetween(xs, ys, first, last);
    if (distance > tolerance) {
      keep[farthest] = 1;
      open.push([first, farthest], [farthest, last]);
    }
  }
  const kept = (values) => values.filter((_, i) => keep[i]);
  return [kept(xs), kept(ys)];
}

function farthestBetween(xs, ys, first, last) {
  const [dx, dy] = [xs[last] - xs[first], ys[last] - ys[first]];
  const length = Math.hypot(dx, dy);
  let farthest = first;
  let most = 0;
  for (let i = first + 1; i < last; i++) {
    const x = xs[i] - xs[first];
    const y = ys[i] - ys[first];
    // distance to the segment, not its line, so that strokes that double back survive
    const along = length ? Math.min(1, Math.max(0, (x * dx + y * dy) / (length * length))) : 0;
    const distance = Math.hypot(x - along * dx, y - along * dy);
    if (distance > most) [farthest, most] = [i, distance];
  }
  return [farthest, most];
}

/** The bounding box of a drawing: {left, top, width, height}. */
export function extent(lists) {
  if (!lists.length) return {left: 0, top: 0, width: 0, height: 0};
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const [xs, ys] of lists) {
    for (const x of xs) [left, right] = [Math.min(left, x), Math.max(right, x)];
    for (const y of ys) [top, bottom] = [Math.min(top, y), Math.max(bottom, y)];
  }
  return {left, top, width: right - left, height: bottom - top};
}
