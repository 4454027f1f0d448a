// What part of the map is seen. The map is 1 x 1; `scale` is its side in pixels of the screen.

const MAX_ZOOM = 400;
const MARGIN = 0.92;

export class Camera {
  x = 0.5;
  y = 0.5;
  zoom = 1;
  width = 1;
  height = 1;

  get scale() {
    return Math.min(this.width, this.height) * MARGIN * this.zoom;
  }

  toScreen(x, y) {
    return [(x - this.x) * this.scale + this.width / 2, (y - this.y) * this.scale + this.height / 2];
  }

  toMap(left, top) {
    return [(left - this.width / 2) / this.scale + this.x, (top - this.height / 2) / this.scale + this.y];
  }

  pan(dx, dy) {
    this.#lookAt(this.x - dx / this.scale, this.y - dy / this.scale);
  }

  /** Zoom so that the place under (left, top) stays where it is. */
  zoomAt(factor, left = this.width / 2, top = this.height / 2) {
    const [x, y] = this.toMap(left, top);
    this.zoom = Math.min(MAX_ZOOM, Math.max(0.8, this.zoom * factor));
    const [nowX, nowY] = this.toMap(left, top);
    this.#lookAt(this.x + x - nowX, this.y + y - nowY);
  }

  /** See these places [[x, y], ...], with room around them. */
  frame(places) {
    const [xs, ys] = [places.map(([x]) => x), places.map(([, y]) => y)];
    const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    this.zoom = Math.min(12, Math.max(1, 0.6 / Math.max(right - left, bottom - top, 0.01)));
    this.#lookAt((left + right) / 2, (top + bottom) / 2);
  }

  #lookAt(x, y) {
    this.x = Math.min(1, Math.max(0, x));
    this.y = Math.min(1, Math.max(0, y));
  }
}
