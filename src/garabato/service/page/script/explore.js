// Explore: the map of the gallery with its list of categories.

import {categories, map, mapState} from "./api.js";
import {Chart} from "./chart.js";
import {byId, element, svg} from "./dom.js";
import {searchFrom} from "./draw.js";
import {found} from "./found.js";
import {Peek} from "./peek.js";
import {Places} from "./places.js";
import {categoryLink} from "./routes.js";
import {count, drawings} from "./words.js";

const RETRY_MS = 3000;

let view = null;

/** Show the map; made with the first visit. */
export async function enterExplore(counted) {
  document.title = "Explore: garabato";
  view ??= new Explore(byId("explore"), counted);
  view.enter();
}

class Explore {
  #size = element("p", {class: "quiet"});
  #waits = element("div", {class: "waits"}, element("p", {}, "Unfolding the map …"), element("p", {class: "quiet"}));
  #search = element("input", {type: "search", placeholder: "Find a category", "aria-label": "Find a category"});
  #list = element("ul", {tabindex: "-1"});
  #chart;
  #places = null;
  #dots = new Map();

  constructor(section, counted) {
    const below = element("canvas", {"aria-hidden": "true"});
    const over = element("canvas", {
      class: "over",
      tabindex: "0",
      role: "application",
      "aria-label": "Map of the gallery. Arrow keys move, plus and minus zoom, Enter chooses what is in the middle.",
    });
    this.#chart = new Chart(below, over);
    const zoom = (label, text, factor) =>
      element("button", {type: "button", "aria-label": label, onclick: () => this.#zoom(factor)}, text);
    const box = element(
      "div",
      {class: "chart"},
      below,
      over,
      element("div", {class: "zoom"}, zoom("Closer", "+", 1.8), zoom("Farther", "−", 1 / 1.8)),
      this.#waits,
    );
    const index = element("aside", {class: "index", "aria-label": "Categories"}, this.#search, this.#list);
    const title = element("h1", {id: "explore-title"}, "All that was drawn");
    const head = element("header", {class: "explore-head"}, title, this.#size);
    section.append(element("div", {class: "explore-grid"}, head, box, index));
    new Peek(box, this.#chart, searchFrom);
    this.#search.addEventListener("input", () => this.#filter());
    this.#chart.addEventListener("colours", () => this.#colour());
    this.#load(counted);
  }

  enter() {
    this.#chart.refresh();
    if (this.#places) this.#chart.highlight(found.hits.map((hit) => hit.key_id));
  }

  async #load(counted) {
    await counted;
    try {
      if (!this.#dots.size) this.#listCategories(await categories());
      const {ready, status} = await mapState();
      if (ready) this.#places = new Places(await map());
      else this.#waits.lastChild.textContent = status;
    } catch (error) {
      this.#waits.lastChild.textContent = error.message;
    }
    if (!this.#places) {
      // it is being computed, or the server is away: either way, later
      setTimeout(() => this.#load(counted), RETRY_MS);
      return;
    }
    this.#waits.hidden = true;
    this.#size.textContent = `${drawings(this.#places.n)}: what looks alike lies together. Come near enough, and points become drawings.`;
    this.#chart.show(this.#places);
    this.enter();
  }

  #listCategories({categories: known}) {
    const items = known.map(({category: name, n_drawings: n}) => {
      const dot = svg("circle", {cx: 5, cy: 5, r: 5, fill: "none"});
      this.#dots.set(name, dot);
      const only = () => this.#places && this.#chart.only(this.#places.categories.indexOf(name));
      const all = () => this.#chart.only(-1);
      const link = element(
        "a",
        {href: categoryLink(name), onpointerenter: only, onpointerleave: all, onfocus: only, onblur: all},
        svg("svg", {viewBox: "0 0 10 10", "aria-hidden": "true"}, dot),
        element("span", {}, name),
        element("span", {}, count(n)),
      );
      return element("li", {"data-name": name.toLowerCase()}, link);
    });
    this.#list.replaceChildren(...items);
  }

  #colour() {
    this.#places.categories.forEach((name, i) => {
      this.#dots.get(name)?.setAttribute("fill", `rgb(${this.#chart.colours[i]})`);
    });
  }

  #filter() {
    const typed = this.#search.value.trim().toLowerCase();
    for (const item of this.#list.children) item.hidden = !item.dataset.name.includes(typed);
  }

  #zoom(factor) {
    this.#chart.camera.zoomAt(factor);
    this.#chart.refresh();
  }
}
