// A small card beside a point of the map: the drawing there; once chosen, what to do with it.

import {element} from "./dom.js";
import {picture} from "./picture.js";
import {categoryLink} from "./routes.js";

const WAIT_MS = 60;

export class Peek {
  #box;
  #chart;
  #pick;
  #card = element("div", {class: "peek", hidden: true});
  #row = -1;
  #isChosen = false;
  #timer = 0;

  /** Shows what `chart` points at within `box`; `pick(hit)` searches from it. */
  constructor(box, chart, pick) {
    this.#box = box;
    this.#chart = chart;
    this.#pick = pick;
    box.append(this.#card);
    chart.addEventListener("point", ({detail}) => {
      if (!this.#isChosen || detail.left === null) this.#show(detail, false);
    });
    chart.addEventListener("leave", () => {
      if (!this.#isChosen) this.#show({row: -1}, false);
    });
    chart.addEventListener("choose", ({detail}) => this.#show(detail, true));
  }

  #show({row, left, top}, isChosen) {
    clearTimeout(this.#timer);
    this.#row = row;
    this.#isChosen = isChosen && row >= 0;
    this.#card.hidden = row < 0;
    if (row < 0) return;
    this.#fill();
    const {offsetWidth: width, offsetHeight: height} = this.#card;
    const x = left + width + 24 > this.#box.clientWidth ? left - width - 14 : left + 14;
    const y = Math.min(Math.max(8, top - height / 2), this.#box.clientHeight - height - 8);
    this.#card.style.transform = `translate(${Math.max(4, x)}px, ${y}px)`;
  }

  #fill() {
    const row = this.#row;
    const one = this.#chart.about(row);
    const look = picture(one.drawing ?? []);
    this.#card.replaceChildren(look, this.#isChosen ? this.#deeds(one) : element("div", {}, one.category));
    this.#card.classList.toggle("chosen", this.#isChosen);
    if (one.drawing) return;
    this.#timer = setTimeout(() => this.#row === row && this.#fill(), WAIT_MS);
  }

  #deeds(one) {
    const search = () => one.drawing && this.#pick(one);
    return element(
      "div",
      {},
      element("a", {href: categoryLink(one.category)}, one.category),
      element("button", {type: "button", class: "plain", onclick: search}, "Search from it"),
    );
  }
}
