// Paints points as pixels: as many canvas rectangles take ten times longer.

/** A smaller point would be too pale to be seen. */
const MIN_RADIUS_PX = 0.9;
/** The share of its colour that a dimmed point keeps. */
const DIMMED = 0.16;

export class Points {
  #context;
  #image = null;
  #pixels = null;

  constructor(canvas) {
    this.#context = canvas.getContext("2d");
  }

  /** Paint the positions seen by `camera` on `paper`; `only` (a category's row) dims the others. */
  paint(positions, camera, {colours, paper, only, ratio}) {
    const [width, height] = [Math.round(camera.width * ratio), Math.round(camera.height * ratio)];
    this.#fit(width, height);
    const background = packed(paper);
    const pixels = this.#pixels.fill(background);
    const stamp = stampOf(radiusOf(camera, positions.n) * ratio, width);
    const inks = colours.map((colour, i) =>
      packed(only < 0 || only === i ? colour : mixed(colour, paper, DIMMED)),
    );
    const [scaleX, scaleY] = [camera.scaleX * ratio, camera.scaleY * ratio];
    const left = width / 2 - camera.x * scaleX;
    const top = height / 2 - camera.y * scaleY;
    const {x: xs, y: ys, category} = positions;
    const edge = stamp.reach;
    for (let i = 0; i < xs.length; i++) {
      const x = Math.round(xs[i] * scaleX + left);
      const y = Math.round(ys[i] * scaleY + top);
      if (x < edge || y < edge || x >= width - edge || y >= height - edge) continue;
      const at = y * width + x;
      const ink = inks[category[i]];
      for (const offset of stamp.full) pixels[at + offset] = ink;
      for (const offset of stamp.most) {
        pixels[at + offset] = halfway(halfway(pixels[at + offset], ink), ink);
      }
      for (const offset of stamp.half) pixels[at + offset] = halfway(pixels[at + offset], ink);
      for (const offset of stamp.some) {
        pixels[at + offset] = halfway(halfway(pixels[at + offset], ink), pixels[at + offset]);
      }
    }
    this.#context.putImageData(this.#image, 0, 0);
  }

  #fit(width, height) {
    const {canvas} = this.#context;
    if (canvas.width === width && canvas.height === height && this.#image) return;
    [canvas.width, canvas.height] = [width, height];
    this.#image = this.#context.createImageData(width, height);
    this.#pixels = new Uint32Array(this.#image.data.buffer);
  }
}

/** Points grow with the zoom and shrink with their number. */
function radiusOf(camera, n) {
  const spacingPx = Math.sqrt((camera.scaleX * camera.scaleY) / (n || 1));
  return Math.min(7, Math.max(MIN_RADIUS_PX, 0.2 * spacingPx));
}

/** Offsets of the pixels that a disc covers fully, mostly, half or a little, in an image of this width. */
function stampOf(radius, width) {
  const reach = Math.ceil(radius);
  const stamp = {reach, full: [], most: [], half: [], some: []};
  for (let dy = -reach; dy <= reach; dy++) {
    for (let dx = -reach; dx <= reach; dx++) {
      const covered = radius + 0.5 - Math.hypot(dx, dy);
      const kind = ["none", "some", "half", "most", "full"][Math.round(4 * Math.min(1, covered))];
      stamp[kind]?.push(dy * width + dx);
    }
  }
  return stamp;
}

const mixed = (colour, paper, share) => colour.map((value, i) => share * value + (1 - share) * paper[i]);
const packed = ([r, g, b]) => ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
const halfway = (a, b) => ((((a ^ b) & 0xfefefe) >>> 1) + (a & b)) | 0xff000000;

const LIGHT = {lightness: [0.52, 0.62, 0.7], chroma: 0.125};
const DARK = {lightness: [0.66, 0.75, 0.84], chroma: 0.11};

/** A colour for each category, (n, 3) 0..255: near categories have near hues and differ in lightness. */
export function coloursOf(centres, isDark) {
  const {lightness, chroma} = isDark ? DARK : LIGHT;
  const canvas = new OffscreenCanvas(centres.length || 1, 1);
  const context = canvas.getContext("2d", {willReadFrequently: true});
  centres.forEach(({x, y}, i) => {
    const hue = (Math.atan2(y - 0.5, x - 0.5) * 180) / Math.PI + ((i * 137.5) % 40);
    context.fillStyle = `oklch(${lightness[i % 3]} ${chroma} ${hue})`;
    context.fillRect(i, 0, 1, 1);
  });
  const {data} = context.getImageData(0, 0, canvas.width, 1);
  return centres.map((_, i) => [data[4 * i], data[4 * i + 1], data[4 * i + 2]]);
}
