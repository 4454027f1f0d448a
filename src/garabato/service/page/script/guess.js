// What the drawing looks like: the best category in large letters, and up to five with their probabilities.

import {element} from "./dom.js";
import {percent} from "./format.js";
import {categoryLink} from "./routes.js";

/** Only predictions of at least this probability, and the best one, get a bar. */
const MIN_PROBABILITY = 0.01;

/** What a search says the drawing shows: {predictions: [{category, probability}, ...] (best first), unsure, by,
 * says}. If the gallery has categories of its own, it speaks: its shares of votes are the probabilities. */
export function verdictOf({headline, votes, votes_unsure, predictions, unsure, unknown}) {
  if (headline !== "gallery") {
    const says = unknown ? "Nothing I know. Closest:" : unsure ? "Not sure yet. Perhaps" : "Looks like";
    return {predictions, unsure, by: "encoder", says};
  }
  return {
    predictions: votes.slice(0, predictions.length).map(({category, share}) => ({category, probability: share})),
    unsure: votes_unsure,
    by: "gallery",
    says: votes_unsure ? "The gallery is not sure. Perhaps" : "The gallery says",
  };
}

export class Guess {
  #section;
  #says;
  #name;
  #link;
  #bars;
  #rows = [];
  #shown = null;

  constructor(section) {
    this.#section = section;
    [this.#says, this.#name, this.#link, this.#bars] = [".says", ".name", ".name a", ".bars"].map((one) => section.querySelector(one));
  }

  show({predictions, unsure, says}) {
    const [best] = predictions;
    this.#section.hidden = false;
    this.#section.classList.toggle("unsure", unsure);
    this.#says.textContent = says;
    this.#link.textContent = best.category;
    this.#link.href = categoryLink(best.category);
    if (this.#shown !== best.category && !unsure) {
      this.#name.classList.remove("new");
      requestAnimationFrame(() => this.#name.classList.add("new"));
    }
    this.#shown = unsure ? null : best.category;
    const shown = predictions.filter(({probability}, i) => i === 0 || probability >= MIN_PROBABILITY);
    shown.forEach((prediction, i) => (this.#rows[i] ??= new Row(this.#bars)).show(prediction));
    this.#rows.forEach((row, i) => (row.item.hidden = i >= shown.length));
  }

  hide() {
    this.#section.hidden = true;
    this.#shown = null;
  }
}

/** One bar: name, hatched bar, percent. Category pages use it too. */
export class Row {
  #link = element("a", {});
  #bar = element("div", {class: "hatched"});
  #share = element("span", {class: "share"});

  constructor(list) {
    this.item = element("li", {}, this.#link, element("div", {class: "track", "aria-hidden": "true"}, this.#bar), this.#share);
    list.append(this.item);
  }

  show({category, probability}) {
    this.#link.textContent = category;
    this.#link.href = categoryLink(category);
    this.#bar.style.width = `${100 * probability}%`;
    this.#share.textContent = percent(probability);
  }
}
