// What an empty pad shows: an introduction, ideas, a search by words, drawings to start from, an
// animated doodle.

import {can, sample, withWords} from "./api.js";
import {element, motionAllowed, showError, speak, svg} from "./dom.js";
import {drawings} from "./format.js";
import {Hits} from "./hits.js";
import {LiveSearch} from "./live_search.js";

const N_SHOWN = 6;
/** One of this many drawings of a category is shown, at random. */
const N_CANDIDATES = 8;
/** Drawings found by words. */
const N_WITH_WORDS = 48;
const SAMPLES_TITLE = "Or start from another drawing";

export class Welcome {
  #section;
  #names = [];
  #idea = element("strong", {});
  #prompt = element("p", {class: "prompt", hidden: true}, element("span", {}, "No idea? Try"), this.#idea);
  #size = element("p", {class: "lede"});
  #samples = element("ul", {class: "hits"});
  #title = element("h3", {hidden: true}, SAMPLES_TITLE);
  #words = element("input", {
    type: "search",
    placeholder: "title, category or tags",
    maxlength: 200,
    autocapitalize: "none",
    autocomplete: "off",
  });
  #field = element("label", {class: "field words", hidden: true}, element("span", {}, "Or search by words"), this.#words);
  #live = new LiveSearch(
    (words, signal) => withWords(words, N_WITH_WORDS, signal),
    (found, words) => this.#showFound(found, words),
    ({message}) => showError(message),
  );
  #chosen = [];
  #hits;

  constructor(section, pick) {
    this.#section = section;
    this.#hits = new Hits(this.#samples, pick);
    const another = element("button", {type: "button", class: "plain", onclick: () => this.#suggest()}, "Another");
    this.#prompt.append(another);
    this.#words.addEventListener("input", () => this.#search());
    section.append(
      element("h2", {id: "welcome-title"}, "Draw badly. Be understood."),
      this.#size,
      this.#prompt,
      this.#field,
      element("div", {}, this.#title, this.#samples),
    );
  }

  show(wanted) {
    this.#section.hidden = !wanted;
  }

  /** Use the gallery's {categories}, once it is ready. */
  async know({categories}) {
    const n = categories.reduce((sum, {n_drawings}) => sum + n_drawings, 0);
    this.#names = categories.map(({category: name}) => name);
    this.#size.textContent =
      `Draw, and see what it looks like and the most similar of ${drawings(n)} in ` +
      `${categories.length} categories, stroke by stroke.`;
    if (!this.#names.length) return;
    this.#field.hidden = !can.searchText;
    this.#suggest();
    await this.#showSamples();
  }

  #suggest() {
    this.#idea.replaceChildren(any(this.#names));
    this.#prompt.hidden = false;
  }

  async #showSamples() {
    const chosen = new Set();
    while (chosen.size < Math.min(N_SHOWN, this.#names.length)) chosen.add(any(this.#names));
    const results = await Promise.allSettled([...chosen].map((name) => sample(name, N_CANDIDATES)));
    this.#chosen = results.flatMap(({value}) => (value?.length ? [any(value)] : []));
    this.#search();
  }

  /** List the drawings that have the words; the samples if there are no words. */
  #search() {
    const words = this.#words.value.trim();
    if (words) return this.#live.now(words);
    this.#live.cancel();
    this.#list(SAMPLES_TITLE, this.#chosen);
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
/** Paths of a few simple things, on 200 x 160. */
const DOODLES = [
  [
    "M62 70C50 30 56 18 61 17 66 20 76 34 82 44 92 40 108 40 118 44 124 32 136 19 140 18 145 22 147 42 139 70 147 98 130 124 101 125 70 126 53 98 62 70",
    "M84 78C84 72 90 72 90 78S84 85 84 78",
    "M112 78C112 72 118 72 118 78S112 85 112 78",
    "M97 94C100 92 104 92 106 94L101 100zM101 100C100 110 92 111 88 107M101 100C103 110 111 111 115 106",
    "M72 94 36 88M72 100 38 104M130 94 166 87M130 100 164 104",
  ],
  [
    "M44 128C42 112 44 96 43 84L158 83C157 98 159 114 157 128z",
    "M32 86 100 30 170 85",
    "M88 127C88 116 87 108 88 100L112 100C113 108 112 118 112 127",
    "M58 96 75 96 75 112 58 112zM126 96 143 96 143 112 126 112z",
    "M132 54C132 46 131 40 132 34L146 34C147 44 146 56 147 65",
  ],
  [
    "M28 84C48 48 104 44 138 80 146 70 158 60 172 56 166 72 166 96 173 112 158 106 146 98 138 88 104 122 50 120 28 84",
    "M52 76C52 71 57 71 57 76S52 81 52 76",
    "M72 60C80 74 80 96 72 109",
    "M24 62C20 56 27 52 29 58S27 66 24 62M34 42C30 36 38 32 40 38S37 46 34 42",
  ],
];

/** Draws one doodle after another on the empty pad. */
export class Invitation {
  #box;
  #drawing = svg("svg", {viewBox: "0 0 200 160", "aria-hidden": "true"});
  #next = 0;
  #timer = 0;

  constructor(box) {
    this.#box = box;
    const hint = element("small", {}, "with mouse, finger or pen, or drop a picture here");
    box.append(this.#drawing, element("p", {}, "Draw something", hint));
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
    const lines = DOODLES[this.#next++ % DOODLES.length];
    const paths = lines.map((d) => svg("path", {class: "ghost", d, pathLength: 1}));
    this.#drawing.replaceChildren(...paths);
    if (!motionAllowed()) return;
    paths.forEach((path, i) =>
      path.animate(
        [
          {strokeDasharray: "1 1", strokeDashoffset: 1, opacity: 0},
          {opacity: 0.8, offset: 0.02},
          {strokeDasharray: "1 1", strokeDashoffset: 0, opacity: 0.8},
        ],
        {duration: i ? 450 : 1300, delay: i && 900 + 420 * i, fill: "backwards", easing: "ease-in-out"},
      ),
    );
  }
}
