// <garabato-pad gallery="icons/" k="24">: a drawing pad for pen, finger, mouse and keyboard that
// searches a gallery while one draws.
//
// Events: "ready" once the gallery has loaded; "change" after every change of the drawing, with
// {strokes, traced, finished}; "hits" with what Garabato.query returns, empty lists for an empty pad; "failure"
// with {error}. CSS: --garabato-ink, --garabato-paper, --garabato-line, --garabato-cursor.

import {checkDrawing, Garabato} from "./garabato.js";
import {LiveSearch} from "./live_search.js";
import {drawWithKeys, Pad} from "./pad.js";
import {fitted, Sketch} from "./sketch.js";

const TEMPLATE = `
<style>
  :host { display: block; max-width: 24rem; --ink: var(--garabato-ink, light-dark(#1d2b4f, #dbe4ff)); --red: var(--garabato-cursor, #d0312d);
    --line: var(--garabato-line, light-dark(#c9cfda, #454c5e)); color: var(--ink); font: 1rem/1.4 system-ui, sans-serif; }
  :host([hidden]) { display: none; }
  canvas { display: block; width: 100%; aspect-ratio: 1; box-sizing: border-box; border: 1px solid var(--line); border-radius: 8px;
    background: var(--garabato-paper, light-dark(#fff, #1b1f2a)); touch-action: none; cursor: crosshair; user-select: none; -webkit-user-select: none; }
  :focus-visible { outline: 3px solid var(--red); outline-offset: 2px; }
  .tools { display: flex; gap: .5rem; margin-top: .5rem; }
  button { font: inherit; color: inherit; min-height: 2.75rem; padding: 0 1rem; background: none; border: 1px solid var(--line); border-radius: 8px; cursor: pointer; }
  button:disabled { opacity: .45; cursor: default; }
  .unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
</style>
<canvas part="canvas" tabindex="0" role="application" aria-label="Drawing pad" aria-describedby="keys"></canvas>
<p id="keys" class="unseen">Draw with mouse, finger or pen. With the keyboard, arrow keys move the pen (hold Shift for
  larger steps) and Space or Enter puts it down or lifts it. Ctrl+Z undoes a stroke.</p>
<div class="tools" part="tools">
  <button type="button" part="button" class="undo">Undo</button>
  <button type="button" part="button" class="clear">Clear</button>
</div>
<div class="unseen" aria-live="polite"></div>`;

const NOTHING = {hits: [], headline: "encoder", predictions: [], unsure: false, unknown: false, took_ms: 0};

// servers that render pages import this module, but have no elements
export class GarabatoPad extends (globalThis.HTMLElement ?? Object) {
  static observedAttributes = ["gallery"];

  #sketch = new Sketch();
  #garabato = null;
  #ownsGarabato = false;
  /** The address of the gallery that is loaded, or being loaded, for this element. */
  #gallery = null;
  #undo;
  #clear;
  #live = new LiveSearch(
    ({strokes, traced}, signal) => this.#garabato.query(strokes, {traced, k: this.k, signal}),
    (result) => this.#announce("hits", result),
    (error) => this.#announce("failure", {error}),
  );

  constructor() {
    super();
    const shadow = this.attachShadow({mode: "open"});
    shadow.innerHTML = TEMPLATE;
    const canvas = shadow.querySelector("canvas");
    const spoken = shadow.querySelector("[aria-live]");
    const pad = new Pad(canvas, this.#sketch);
    drawWithKeys(canvas, this.#sketch, pad, (words) => (spoken.textContent = words));
    this.#undo = shadow.querySelector(".undo");
    this.#clear = shadow.querySelector(".clear");
    this.#undo.addEventListener("click", () => this.undo());
    this.#clear.addEventListener("click", () => this.clear());
    shadow.addEventListener("keydown", (event) => this.#shortcut(event));
    this.#sketch.addEventListener("change", ({detail}) => this.#changed(detail.finished));
    this.#enableButtons();
  }

  connectedCallback() {
    this.#open(this.getAttribute("gallery"));
  }

  disconnectedCallback() {
    // an element that is only moved is in the document again by then
    queueMicrotask(() => this.isConnected || this.#open(null));
  }

  attributeChangedCallback(_name, _before, gallery) {
    if (this.isConnected) this.#open(gallery);
  }

  /** The number of hits, the attribute `k`; 24 by default. */
  get k() {
    return Number(this.getAttribute("k") ?? 24);
  }
  set k(value) {
    this.setAttribute("k", value);
  }

  /** The Garabato that searches; the attribute `gallery` loads one. */
  get garabato() {
    return this.#garabato;
  }
  set garabato(garabato) {
    this.#live.cancel();
    this.#gallery = null; // one that is still being loaded is not used
    if (this.#ownsGarabato) this.#garabato?.close();
    this.#ownsGarabato = false;
    this.#garabato = garabato;
    if (garabato) this.#search(true);
  }

  /** The drawing: [[x, ...], [y, ...]] for each stroke, in units of a thousandth of the pad. */
  get strokes() {
    return this.#sketch.drawn().drawing;
  }
  set strokes(strokes) {
    this.show({drawing: strokes});
  }

  /** Whether the drawing, or a part of it, was traced from a picture. */
  get traced() {
    return this.#sketch.drawn().traced;
  }

  /** Put a drawing on the pad, such as a hit, and search with it. */
  show({drawing, traced}) {
    if (drawing?.length !== 0) checkDrawing(drawing);
    this.#sketch.replace({drawing: fitted(drawing), traced});
  }

  undo() {
    this.#sketch.undo();
  }

  redo() {
    this.#sketch.redo();
  }

  clear() {
    this.#sketch.clear();
  }

  async #open(gallery) {
    if (gallery === this.#gallery) return;
    this.garabato = null;
    if (gallery === null) return;
    this.#gallery = gallery;
    try {
      const garabato = await Garabato.create({gallery});
      if (this.#gallery !== gallery) return void garabato.close(); // changed meanwhile
      this.garabato = garabato;
      this.#gallery = gallery;
      this.#ownsGarabato = true;
      this.#announce("ready", {garabato});
    } catch (error) {
      if (this.#gallery !== gallery) return;
      this.#gallery = null; // it may be set again
      this.#announce("failure", {error});
    }
  }

  #changed(finished) {
    this.#enableButtons();
    this.#announce("change", {strokes: this.strokes, traced: this.traced, finished});
    if (this.#garabato) this.#search(finished);
  }

  #search(finished) {
    const {strokes, traced} = this;
    if (!strokes.length) {
      this.#live.cancel();
      this.#announce("hits", NOTHING);
    } else if (finished) this.#live.now({strokes, traced});
    else this.#live.soon({strokes, traced});
  }

  #shortcut(event) {
    if (!(event.ctrlKey || event.metaKey) || event.altKey) return;
    const key = event.key.toLowerCase();
    if (key === "z" && !event.shiftKey) this.undo();
    else if (key === "y" || key === "z") this.redo();
    else return;
    event.preventDefault();
  }

  #enableButtons() {
    this.#undo.disabled = !this.#sketch.canUndo;
    this.#clear.disabled = this.#sketch.isEmpty;
  }

  #announce(name, detail) {
    this.dispatchEvent(new CustomEvent(name, {detail, bubbles: true, composed: true}));
  }
}

const elements = globalThis.customElements;
if (elements && !elements.get("garabato-pad")) elements.define("garabato-pad", GarabatoPad);
