// What the page shows while the pad is empty: an introduction, ideas, a search by words, drawings to start
// from, an animated doodle.

import {can, list, withWords} from "./api.js";
import {byId, motionAllowed, showError, speak} from "./dom.js";
import {count, drawings} from "./format.js";
import {Hits} from "./hits.js";
import {LiveSearch} from "./live_search.js";
import {animate} from "./picture.js";

const N_SHOWN = 6;
/** Each drawing shown is chosen at random among this many of its category. */
const N_CANDIDATES = 8;
/** Drawings that a search by words shows. */
const N_WITH_WORDS = 48;

export class Welcome {
  #section;
  #names = [];
  #size;
  #prompt;
  #words;
  #title;
  #live = new LiveSearch(
    (words, signal) => withWords(words, N_WITH_WORDS, signal),
    (found, words) => this.#showFound(found, words),
    ({message}) => showError(message),
  );
  #chosen = [];
  #hits;

  constructor(section, pick) {
    this.#section = section;
    [this.#size, this.#prompt, this.#words, this.#title] = [".lede", ".prompt", "input", "h3"].map((one) => section.querySelector(one));
    this.#hits = new Hits(section.querySelector(".hits"), pick);
    this.#prompt.querySelector("button").addEventListener("click", () => this.#suggest());
    this.#words.addEventListener("input", () => this.#search());
  }

  show(wanted) {
    this.#section.hidden = !wanted;
  }

  /** Use the gallery's {categories}, once it is ready. */
  async know({categories}) {
    const n = categories.reduce((sum, {n_drawings}) => sum + n_drawings, 0);
    this.#names = categories.map(({category: name}) => name);
    const kinds = categories.length === 1 ? "1 category" : `${count(categories.length)} categories`;
    this.#size.textContent = `While you draw, see what it looks like and the most similar of ${drawings(n)} in ${kinds}.`;
    if (!this.#names.length) return;
    this.#suggest();
    await this.#showSamples();
  }

  #suggest() {
    this.#prompt.querySelector("strong").textContent = any(this.#names);
    this.#prompt.hidden = false;
  }

  async #showSamples() {
    const chosen = new Set();
    while (chosen.size < Math.min(N_SHOWN, this.#names.length)) chosen.add(any(this.#names));
    const results = await Promise.allSettled([...chosen].map((name) => list(name, N_CANDIDATES)));
    this.#chosen = results.flatMap(({value}) => (value?.drawings.length ? [any(value.drawings)] : []));
    this.#search();
  }

  /** List the drawings that have the words, or the samples if no words are given. */
  #search() {
    const words = this.#words.value.trim();
    if (words) return this.#live.now(words);
    this.#live.cancel();
    this.#list("Or start from another drawing", this.#chosen);
  }

  #showFound({drawings: found, next}, words) {
    showError(null);
    const title = !found.length
      ? `No drawing has the words “${words}”`
      : next === null
      ? `${drawings(found.length)} with “${words}”`
      : `The first ${drawings(found.length)} with “${words}”`;
    this.#list(title, found);
    this.#title.hidden = false;
    speak(title);
  }

  #list(title, shown) {
    this.#title.textContent = title;
    this.#title.hidden = !shown.length;
    this.#hits.show(shown);
  }
}

const any = (list) => list[Math.floor(Math.random() * list.length)];

const EVERY_MS = 5200;
const DOODLE_MS = 3000;
/** Draws one doodle after another on the empty pad. */
export class Invitation {
  #box;
  #doodles = [...byId("doodles").content.querySelectorAll("g")];
  #next = 0;
  #timer = 0;

  constructor(box) {
    this.#box = box;
    byId("drop-hint").hidden = !can.openFiles;
  }

  show(wanted) {
    this.#box.classList.toggle("gone", !wanted);
    clearInterval(this.#timer);
    this.#timer = 0;
    if (!wanted) return;
    this.#doodle();
    if (motionAllowed()) this.#timer = setInterval(() => this.#doodle(), EVERY_MS);
  }

  #doodle() {
    const doodle = this.#doodles[this.#next++ % this.#doodles.length];
    const drawn = this.#box.querySelector("svg");
    drawn.replaceChildren(...document.importNode(doodle, true).children);
    animate(drawn, DOODLE_MS);
  }
}
