// Strokes -> images, with exactly the pixels of garabato.render: the same operations in the same
// order, rounded to float32 at the same steps.

const f32 = Math.fround;
const [HALF, EDGE] = [0.5, f32(1e-3)];
/** Channel 2: the first stroke is 1; each next stroke moves towards LAST_RANK by this factor. */
const RANK_FADES = f32(0.8);
const LAST_RANK = f32(0.15);
/** Channel 3: a stroke starts at 1 and loses this until its end. */
const STROKE_FADE = f32(0.8);
/** Channel 4: points along the strokes, at least two a stroke. */
const PATH_POINTS = 160;
/** Pixels of a row that the renderer computes together, the last ones perhaps beyond the stroke. */
const LANES = 16;

/**
 * The image (S * S * channels) Uint8Array of a drawing, a list of strokes [[x, ...], [y, ...]].
 * `spec`: {size_px, line_width, margin, order, path}, the encoder's RenderSpec. `traced`: the strokes were traced
 * from a picture, so that their order is unknown.
 */
export function render(drawing, spec, traced = false) {
  const size = spec.size_px;
  const nChannels = spec.path ? 4 : spec.order ? 3 : 1;
  const nPages = spec.order && !traced ? 3 : 1;
  const pages = Array.from({length: nPages}, () => new Float32Array(size * size));
  const strokes = fitToBox(drawing, spec);
  const radius = f32(f32(spec.line_width * size) * HALF);
  let rankShade = 1;
  for (const {xs, ys} of strokes) {
    const shades = {rank: f32(LAST_RANK + f32(f32(1 - LAST_RANK) * rankShade)), start: 1, fade: 0};
    rankShade = f32(rankShade * RANK_FADES);
    let ink = 0;
    for (let p = 0; p + 1 < xs.length; p++) ink = f32(ink + distance(xs, ys, p));
    if (ink > 0) shades.fade = f32(STROKE_FADE / ink);
    if (xs.length === 1) drawSegment(pages, size, xs[0], ys[0], xs[0], ys[0], radius, shades);
    for (let p = 0; p + 1 < xs.length; p++) {
      drawSegment(pages, size, xs[p], ys[p], xs[p + 1], ys[p + 1], radius, shades);
      shades.start = f32(shades.start - f32(shades.fade * distance(xs, ys, p)));
    }
  }
  const image = new Uint8Array(size * size * nChannels);
  pages.forEach((page, channel) =>
    page.forEach((value, i) => (image[i * nChannels + channel] = f32(f32(value * 255) + HALF))),
  );
  const put = (position, value) => (image[4 * position + 3] = Math.min(value, 255));
  if (spec.path) listPath(strokes, traced, put);
  return image;
}

/** The fourth channel, as RenderSpec describes it, by calls of `put(position, value)`. */
function listPath(strokes, traced, put) {
  const all = strokes.flatMap(({xs, ys}) => Array.from(xs, (x, p) => [x, ys[p]]));
  if (all.length === 0) return;
  const [lows, highs] = [Math.min, Math.max].map((end) =>
    [0, 1].map((axis) => all.reduce((found, point) => end(found, point[axis]), all[0][axis])),
  );
  const extent = Math.max(highs[0] - lows[0], highs[1] - lows[1]);
  const scale = extent > 0 ? 255 / extent : 0;
  const onGrid = (value, axis) => (value - (lows[axis] + highs[axis]) / 2) * scale + 128;

  const listed = strokes.slice(0, PATH_POINTS / 2);
  const lengths = listed.map(({xs, ys}) => {
    let sum = 0;
    for (let p = 0; p + 1 < xs.length; p++) sum += stepLength(xs, ys, p);
    return sum;
  });
  const ink = lengths.reduce((sum, length) => sum + length, 0);
  const nFree = PATH_POINTS - 2 * listed.length;
  let [nGiven, drawn, k] = [0, 0, 0];
  listed.forEach(({xs, ys}, rank) => {
    drawn += lengths[rank];
    const share = ink > 0 ? drawn / ink : (rank + 1) / listed.length;
    const nMore = Math.floor(nFree * share + 0.5) - nGiven;
    nGiven += nMore;
    let [p, passed, step] = [0, 0, stepLength(xs, ys, 0)];
    for (let j = 0; j < nMore + 2; j++) {
      const wanted = (lengths[rank] * j) / (nMore + 1);
      while (p + 2 < xs.length && passed + step < wanted) {
        passed += step;
        step = stepLength(xs, ys, ++p);
      }
      let [x, y] = [xs[p], ys[p]];
      if (step > 0) {
        const t = Math.min((wanted - passed) / step, 1);
        x += t * (xs[p + 1] - x);
        y += t * (ys[p + 1] - y);
      }
      put(k, onGrid(x, 0));
      put(PATH_POINTS + k, onGrid(y, 1));
      if (j === 0) put(2 * PATH_POINTS + k, traced ? 128 : 255);
      if (!traced) put(3 * PATH_POINTS + k, (255 * rank) / listed.length + 0.5);
      k += 1;
    }
  });
}

/** The distance from point `p` to the next, in double precision; 0 from the last. */
function stepLength(xs, ys, p) {
  if (p + 1 >= xs.length) return 0;
  const [dx, dy] = [xs[p + 1] - xs[p], ys[p + 1] - ys[p]];
  return Math.sqrt(dx * dx + dy * dy);
}

/** Points in px: scaled (keeping the aspect ratio) into the box inside the margin, and centred. */
function fitToBox(drawing, {size_px: size, line_width: lineWidth, margin}) {
  const strokes = drawing.map(([xs, ys]) => ({xs: Float32Array.from(xs), ys: Float32Array.from(ys)}));
  let [left, right, top, bottom] = [Infinity, -Infinity, Infinity, -Infinity];
  for (const {xs, ys} of strokes) {
    for (const x of xs) [left, right] = [Math.min(left, x), Math.max(right, x)];
    for (const y of ys) [top, bottom] = [Math.min(top, y), Math.max(bottom, y)];
  }
  const inset = margin * size + (lineWidth * size) / 2;
  const extent = Math.max(f32(right - left), f32(bottom - top));
  const scale = extent > 0 ? (size - 2 * inset) / extent : 1;
  const xShift = (size - f32(left + right) * scale) / 2;
  const yShift = (size - f32(top + bottom) * scale) / 2;
  for (const {xs, ys} of strokes) {
    xs.forEach((x, p) => (xs[p] = x * scale + xShift));
    ys.forEach((y, p) => (ys[p] = y * scale + yShift));
  }
  return strokes;
}

/** The distance from point `p` to the next. */
function distance(xs, ys, p) {
  return length(f32(xs[p + 1] - xs[p]), f32(ys[p + 1] - ys[p]));
}

function length(dx, dy) {
  return f32(Math.sqrt(f32(f32(dx * dx) + f32(dy * dy))));
}

/** Coverage of a pixel: the depth of its centre inside the capsule, clipped to one pixel. */
function drawSegment(pages, size, x0, y0, x1, y1, radius, shades) {
  const reach = f32(radius + HALF);
  const [dx, dy] = [f32(x1 - x0), f32(y1 - y0)];
  const long = length(dx, dy);
  const [ux, uy] = long > 0 ? [f32(dx / long), f32(dy / long)] : [1, 0];
  const yFirst = Math.max(0, Math.trunc(f32(Math.min(y0, y1) - reach)));
  const yLast = Math.min(size - 1, Math.trunc(f32(Math.max(y0, y1) + reach)));
  const [xLeft, xRight] = [f32(Math.min(x0, x1) - reach), f32(Math.max(x0, x1) + reach)];
  const steep = Math.abs(uy) > EDGE;
  const band = steep ? f32(reach / Math.abs(uy)) : 0;
  const slope = steep ? f32(dx / dy) : 0;
  for (let row = yFirst; row <= yLast; row++) {
    const py = f32(f32(row + HALF) - y0);
    let [left, right] = [xLeft, xRight];
    if (steep) {
      const centre = f32(x0 + f32(py * slope));
      [left, right] = [Math.max(left, f32(centre - band)), Math.min(right, f32(centre + band))];
    }
    const last = Math.min(size - 1, Math.trunc(right));
    for (let first = Math.max(0, Math.trunc(f32(left + HALF))); first <= last; first += LANES) {
      const px = f32(f32(first + HALF) - x0);
      const along = f32(f32(px * ux) + f32(py * uy));
      const across = f32(f32(px * uy) - f32(py * ux));
      for (let lane = 0; lane < LANES && first + lane < size; lane++) {
        const t = f32(along + f32(lane * ux));
        const onLine = Math.min(Math.max(t, 0), long);
        const beside = f32(across + f32(lane * uy));
        const depth = Math.min(f32(reach - length(f32(t - onLine), beside)), 1);
        const i = row * size + first + lane;
        if (depth > pages[0][i]) pages[0][i] = depth;
        if (pages.length === 1) continue;
        pages[1][i] = Math.max(pages[1][i], depth * shades.rank);
        pages[2][i] = Math.max(pages[2][i], depth * f32(shades.start - f32(shades.fade * onLine)));
      }
    }
  }
}
