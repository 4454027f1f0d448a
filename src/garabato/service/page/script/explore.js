// The Explore view: the map of the gallery and the list of categories.

import {categories, map, mapState} from "./api.js";
import {button, byId, element, svg} from "./dom.js";
import {searchFrom} from "./draw.js";
import {count, drawings, nameOf} from "./format.js";
import {latest} from "./hits.js";
import {Chart} from "./map/chart.js";
import {Positions} from "./map/positions.js";
import {picture} from "./picture.js";
import {categoryLink} from "./routes.js";

const RETRY_MS = 3000;

let view = null;

export function enterExplore(counted) {
  document.title = "Explore: garabato";
  view ??= new Explore(byId("explore"), counted);
  view.enter();
}

class Explore {
  #size;
  #progress;
  #legend;
  #search;
  #list;
  #chart;
  #positions = null;
  #dots = new Map();

  constructor(section, counted) {
    const find = (selector) => section.querySelector(selector);
    [this.#size, this.#progress, this.#legend] = ["header p", ".progress", ".legend"].map(find);
    [this.#search, this.#list] = find(".index").children;
    const [below, over] = section.querySelectorAll("canvas");
    this.#chart = new Chart(below, over);
    const actions = [() => this.#chart.showAll(), () => this.#zoom(1.8), () => this.#zoom(1 / 1.8)];
    section.querySelectorAll(".zoom button").forEach((button, i) => button.addEventListener("click", actions[i]));
    new Peek(find(".chart"), this.#chart);
    this.#search.addEventListener("input", () => this.#filter());
    this.#chart.addEventListener("colours", () => this.#colour());
    this.#load(counted);
  }

  enter() {
    this.#chart.refresh();
    if (this.#positions) this.#highlight(latest.hits.map((hit) => hit.key_id));
  }

  /** Circle the hits of the latest search, and explain the circles. */
  #highlight(keyIds) {
    const n = this.#chart.highlight(keyIds);
    this.#legend.hidden = n === 0;
    this.#legend.textContent = `${n === 1 ? "The drawing" : `The ${n} drawings`} most like yours; the best is bold`;
  }

  async #load(counted) {
    const [title, note] = this.#progress.children;
    note.textContent = "Waiting for the gallery.";
    await counted;
    try {
      if (!this.#dots.size) this.#listCategories(await categories());
      const state = await mapState();
      if (state.ready) this.#positions = new Positions(await map());
      title.textContent = state.failed ? "There is no map" : "Computing the map …";
      note.textContent = progressText(state);
    } catch (error) {
      note.textContent = error.message;
    }
    // still computing, or the server is away
    if (!this.#positions) return setTimeout(() => this.#load(counted), RETRY_MS);
    this.#progress.hidden = true;
    this.#size.textContent = `${drawings(this.#positions.n)}. Similar drawings are close together. Zoom in to see them.`;
    this.#chart.show(this.#positions);
    this.enter();
  }

  #listCategories({categories: known}) {
    const items = known.map(({category: name, n_drawings: n}) => {
      const dot = svg("circle", {cx: 5, cy: 5, r: 4.5});
      this.#dots.set(name, dot);
      const only = () => this.#positions && this.#chart.only(this.#positions.categories.indexOf(name));
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
    this.#positions.categories.forEach((name, i) => {
      this.#dots.get(name)?.setAttribute("fill", `rgb(${this.#chart.colours[i]})`);
    });
  }

  #filter() {
    const typed = this.#search.value.trim().toLowerCase();
    for (const item of this.#list.children) item.hidden = !item.dataset.name.includes(typed);
  }

  #zoom(factor) {
    this.#chart.camera.zoomAt(factor);
    this.#chart.moved();
  }
}

/** "embedding, 120 of 345" */
function progressText({status = "", done, total}) {
  return total > 1 ? `${status}, ${count(done)} of ${count(total)}` : status;
}

/** A card beside a point of the map: its drawing and, once selected, actions. */
class Peek {
  #box;
  #chart;
  #card = element("div", {class: "peek", hidden: true});
  #row = -1;
  #isChosen = false;
  #isWaiting = false;

  /** Show the drawing that `chart` points at within `box`. */
  constructor(box, chart) {
    this.#box = box;
    this.#chart = chart;
    box.append(this.#card);
    chart.addEventListener("point", ({detail}) => {
      if (!this.#isChosen) this.#show(detail, false);
    });
    const hide = () => this.#show({row: -1}, false);
    chart.addEventListener("leave", () => this.#isChosen || hide());
    chart.addEventListener("moved", hide);
    chart.addEventListener("choose", ({detail}) => this.#show(detail, true));
    chart.addEventListener("arrived", () => this.#isWaiting && this.#fill());
  }

  #show({row, left, top}, isChosen) {
    this.#row = row;
    this.#isChosen = isChosen && row >= 0;
    this.#isWaiting = false;
    this.#card.hidden = row < 0;
    if (row < 0) return;
    this.#fill();
    const {offsetWidth: width, offsetHeight: height} = this.#card;
    const x = left + width + 24 > this.#box.clientWidth ? left - width - 14 : left + 14;
    const y = Math.min(Math.max(8, top - height / 2), this.#box.clientHeight - height - 8);
    this.#card.style.transform = `translate(${Math.max(4, x)}px, ${y}px)`;
  }

  #fill() {
    const one = this.#chart.about(this.#row);
    this.#isWaiting = !one.drawing;
    const look = picture(one.drawing ?? []);
    this.#card.replaceChildren(look, this.#isChosen ? this.#actions(one) : element("div", {}, nameOf(one)));
    this.#card.classList.toggle("chosen", this.#isChosen);
  }

  #actions(one) {
    return element(
      "div",
      {},
      one.category ? element("a", {href: categoryLink(one.category)}, one.category) : nameOf(one),
      button({class: "plain", onclick: () => one.drawing && searchFrom(one)}, "Search with it"),
    );
  }
}
