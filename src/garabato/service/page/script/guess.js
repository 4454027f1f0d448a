// What the drawing looks like: the best in large letters, five with probabilities.

import {element, svg} from "./dom.js";
import {percent} from "./format.js";
import {categoryLink} from "./routes.js";

/** Less probable predictions get no bar; the best always does. */
const MIN_PROBABILITY = 0.01;
/** Hand-drawn. */
const UNDERLINE = "M1 7C18 3 42 5 60 4S93 2 99 5C80 6 40 7 22 11";

/** What a search says the drawing shows: {predictions: [{category, probability}, ...], unsure, by, says}.
 * A gallery with categories of its own speaks first: its shares are the probabilities. */
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
  #says = element("p", {class: "says"});
  #link = element("a", {});
  #name;
  #bars = element("ol", {class: "bars", "aria-label": "Probabilities"});
  #rows = [];
  #shown = null;

  constructor(section) {
    this.#section = section;
    const line = svg(
      "svg",
      {viewBox: "0 0 100 12", preserveAspectRatio: "none", "aria-hidden": "true"},
      svg("path", {d: UNDERLINE, pathLength: 1}),
    );
    this.#name = element("p", {class: "name"}, this.#link, line);
    section.append(element("div", {}, this.#says, this.#name, ...section.querySelectorAll("button")), this.#bars);
    section.hidden = true;
  }

  /** A verdict of `verdictOf`. */
  show({predictions, unsure, by, says}) {
    const [best] = predictions;
    this.#section.hidden = false;
    this.#section.classList.toggle("unsure", unsure);
    this.#section.classList.toggle("gallery", by === "gallery");
    this.#says.textContent = says;
    this.#link.textContent = best.category;
    this.#link.href = categoryLink(best.category);
    if (this.#shown !== best.category && !unsure) this.#redrawUnderline();
    this.#shown = unsure ? null : best.category;
    const shown = predictions.filter(({probability}, i) => i === 0 || probability >= MIN_PROBABILITY);
    shown.forEach((prediction, i) => this.#row(i).show(prediction));
    this.#rows.forEach((row, i) => (row.item.hidden = i >= shown.length));
  }

  hide() {
    this.#section.hidden = true;
    this.#shown = null;
  }

  #redrawUnderline() {
    this.#name.classList.remove("new");
    requestAnimationFrame(() => this.#name.classList.add("new"));
  }

  #row(i) {
    return (this.#rows[i] ??= new Row(this.#bars));
  }
}

/** One bar: name, hatched bar, percent. Category pages use it too. */
export class Row {
  #link = element("a", {});
  #bar = element("div", {class: "hatched"});
  #share = element("span", {class: "share"});

  constructor(list) {
    const track = element("div", {class: "track", "aria-hidden": "true"}, this.#bar);
    this.item = element("li", {}, this.#link, track, this.#share);
    list.append(this.item);
  }

  show({category, probability}) {
    this.#link.textContent = category;
    this.#link.href = categoryLink(category);
    this.#bar.style.width = `${100 * probability}%`;
    this.#share.textContent = percent(probability);
  }
}
