// A colour a category: neighbours on the map have neighbouring hues, and differ in lightness.

const LIGHT = {lightness: [0.52, 0.62, 0.7], chroma: 0.125};
const DARK = {lightness: [0.66, 0.75, 0.84], chroma: 0.11};

/** (n, 3) 0..255, from the places of the categories [{x, y}, ...]. */
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
