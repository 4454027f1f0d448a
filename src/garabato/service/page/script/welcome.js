// Beside an empty sheet: what happens here, something to draw, and drawings to start from.

import {some} from "./api.js";
import {element} from "./dom.js";
import {Hits} from "./hits.js";
import {drawings} from "./words.js";

const N_SHELF = 6;
/** So many of a category are asked for, to take one at random. */
const N_CHOICE = 8;

export class Welcome {
  #section;
  #names = [];
  #idea = element("strong", {});
  #prompt = element("p", {class: "prompt", hidden: true}, element("span", {}, "No idea? Try"), this.#idea);
  #size = element("p", {class: "lede"});
  #shelf = element("ul", {class: "hits"});
  #shelfTitle = element("h3", {hidden: true}, "Or start from somebody else’s");
  #hits;

  constructor(section, pick) {
    this.#section = section;
    this.#hits = new Hits(this.#shelf, pick);
    const another = element("button", {type: "button", class: "plain", onclick: () => this.#suggest()}, "Another");
    this.#prompt.append(another);
    section.append(
      element("h2", {id: "welcome-title"}, "Draw badly. Be understood."),
      this.#size,
      this.#prompt,
      element("div", {}, this.#shelfTitle, this.#shelf),
    );
  }

  show(wanted) {
    this.#section.hidden = !wanted;
  }

  /** Once the gallery is ready: {categories} as the service lists them. */
  async know({categories}) {
    const n = categories.reduce((sum, {n_drawings}) => sum + n_drawings, 0);
    this.#names = categories.map(({category: name}) => name);
    this.#size.textContent =
      `While you draw, it is named, and the most similar of ${drawings(n)} in ` +
      `${categories.length} categories turn up here, stroke by stroke.`;
    if (!this.#names.length) return;
    this.#suggest();
    await this.#fillShelf();
  }

  #suggest() {
    this.#idea.replaceChildren(any(this.#names));
    this.#prompt.hidden = false;
  }

  async #fillShelf() {
    const chosen = new Set();
    while (chosen.size < Math.min(N_SHELF, this.#names.length)) chosen.add(any(this.#names));
    const answers = await Promise.allSettled([...chosen].map((name) => some(name, N_CHOICE)));
    const shown = answers.flatMap(({value}) => (value?.length ? [any(value)] : []));
    this.#hits.show(shown);
    this.#shelfTitle.hidden = !shown.length;
  }
}

const any = (list) => list[Math.floor(Math.random() * list.length)];
