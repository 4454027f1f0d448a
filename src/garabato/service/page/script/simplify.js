// Ramer-Douglas-Peucker: fewer points, none of the line farther from it than `tolerance`.

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
  const dx = xs[last] - xs[first];
  const dy = ys[last] - ys[first];
  const length = Math.hypot(dx, dy);
  let farthest = first;
  let most = 0;
  for (let i = first + 1; i < last; i++) {
    const x = xs[i] - xs[first];
    const y = ys[i] - ys[first];
    // from the segment, not from its line: a stroke that comes back would be lost
    const along = length ? Math.min(1, Math.max(0, (x * dx + y * dy) / (length * length))) : 0;
    const distance = Math.hypot(x - along * dx, y - along * dy);
    if (distance > most) [farthest, most] = [i, distance];
  }
  return [farthest, most];
}
