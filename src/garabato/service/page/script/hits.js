// A grid of drawings as vector pictures. A drawing replays its strokes while the pointer is on it.

import {can, onCan, original} from "./api.js";
import {askToHide, isMine, removeMine} from "./changes.js";
import {showDetails} from "./details.js";
import {button, element, icon} from "./dom.js";
import {country, nameOf, webLink} from "./format.js";
import {animate, picture, stop} from "./picture.js";
import {categoryLink} from "./routes.js";

export class Hits {
  #list;
  #pick;
  #cards = new Map();
  shown = [];

  /** Call `pick(hit)` when a drawing is chosen. */
  constructor(list, pick) {
    this.#list = list;
    this.#pick = pick;
    // listeners of the list, and gone with it
    list.addEventListener("gone", ({detail}) => this.show(this.shown.filter((hit) => hit.key_id !== detail)));
    list.addEventListener("can", () => {
      const shown = this.shown;
      this.show([]);
      this.show(shown);
    });
  }

  /** Show these hits in this order, reusing the cards that stay. */
  show(hits) {
    const cards = new Map(hits.map((hit) => [hit.key_id, this.#cards.get(hit.key_id) ?? this.#card(hit)]));
    for (const hit of hits) cards.get(hit.key_id).querySelector(".look").title = summary(hit); // its new score
    const wanted = [...cards.values()];
    for (const [keyId, card] of this.#cards) if (!cards.has(keyId)) card.remove();
    wanted.forEach((card, i) => {
      if (this.#list.children[i] !== card) this.#list.insertBefore(card, this.#list.children[i] ?? null);
    });
    this.#cards = cards;
    this.shown = hits;
  }

  #card(hit) {
    const drawn = picture(hit.drawing);
    const [replay, rest] = [() => animate(drawn), () => stop(drawn)];
    const name = nameOf(hit);
    const file = original(hit);
    const look = button(
      {
        class: "look",
        "aria-label": `${name}: search with this drawing`,
        onclick: () => this.#pick(hit),
        onpointerenter: replay,
        onpointerleave: rest,
        onfocus: replay,
        onblur: rest,
      },
      file && element("img", {src: file, alt: "", class: "original", loading: "lazy", onload: () => look.classList.add("has-original")}),
      drawn,
    );
    const link = webLink(hit);
    const label = link
      ? element("a", {href: link, rel: "noreferrer", target: "_blank", title: link}, name)
      : hit.category
      ? element("a", {href: categoryLink(hit.category), title: name}, name)
      : element("span", {class: "quiet"}, name);
    const words = `Details of this ${name}`;
    const onclick = () => {
      const found = latest.hits.find(({key_id}) => key_id === hit.key_id); // a card outlives its search
      showDetails(found ?? hit, found ? latest.drawing : null);
    };
    const details = button({class: "corner details", "aria-label": words, title: words, onclick}, icon("details"));
    const about = element("div", {class: "about"}, label);
    const attributes = {class: isMine(hit.key_id) ? "hit yours" : "hit", "data-key": hit.key_id};
    return element("li", attributes, look, details, this.#act(hit, name), about);
  }

  /** A button to remove your own drawing, or to hide or report any other. */
  #act(hit, name) {
    const mine = isMine(hit.key_id);
    if (!(mine ? can.change : can.hide || can.report)) return null;
    const label = mine ? `Remove this ${name}, which you added` : `${can.hide ? "Hide" : "Report"} this ${name}`;
    const onclick = () => (mine ? removeMine(hit.key_id) : askToHide(hit));
    return button({class: "corner act", "aria-label": label, title: label, onclick}, icon(mine ? "close" : "hide"));
  }
}

function tell(type, detail) {
  for (const list of document.querySelectorAll(".hits")) list.dispatchEvent(new CustomEvent(type, {detail}));
}
addEventListener("gone", ({detail}) => {
  latest.hits = latest.hits.filter((hit) => hit.key_id !== detail);
  tell("gone", detail);
});
onCan(() => tell("can"));

function summary(hit) {
  const parts = [nameOf(hit)];
  if (hit.tags?.length) parts.push(hit.tags.slice(0, 8).join(", "));
  if (hit.score != null) parts.push(`score ${hit.score.toFixed(2)}`);
  if (hit.country) parts.push(country(hit.country));
  return parts.join(", ");
}

/** The hits of the latest search, which the map highlights, and the drawing that found them. */
export const latest = {hits: [], drawing: null};
