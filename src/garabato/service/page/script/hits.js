// A grid of drawings, each drawn as a vector, drawing itself while it is pointed at.

import {can, onCan} from "./api.js";
import {element, icon} from "./dom.js";
import {askToHide, onHidden} from "./hiding.js";
import {isMine, removeMine} from "./mine.js";
import {animate, picture, stop} from "./picture.js";
import {categoryLink} from "./routes.js";
import {country} from "./words.js";

export class Hits {
  #list;
  #pick;
  #cards = new Map();
  #shown = [];

  /** `pick(hit)` is called for the one that is chosen. */
  constructor(list, pick) {
    this.#list = list;
    this.#pick = pick;
    onHidden((keyId) => this.drop(keyId));
    onCan(() => {
      const shown = this.#shown;
      this.show([]);
      this.show(shown);
    });
  }

  /** Show these and no others, in this order; those that stay are not made anew. */
  show(hits) {
    const cards = new Map(hits.map((hit) => [hit.key_id, this.#cards.get(hit.key_id) ?? this.#card(hit)]));
    const wanted = [...cards.values()];
    for (const [keyId, card] of this.#cards) if (!cards.has(keyId)) card.remove();
    wanted.forEach((card, i) => {
      if (this.#list.children[i] !== card) this.#list.insertBefore(card, this.#list.children[i] ?? null);
    });
    this.#cards = cards;
    this.#shown = hits;
  }

  drop(keyId) {
    this.#cards.get(keyId)?.remove();
    this.#cards.delete(keyId);
    this.#shown = this.#shown.filter((hit) => hit.key_id !== keyId);
  }

  #card(hit) {
    const drawn = picture(hit.drawing);
    const name = hit.category ?? "no category";
    const look = element(
      "button",
      {
        type: "button",
        class: "look",
        title: about(hit),
        "aria-label": `${name}: search from this drawing`,
        onclick: () => this.#pick(hit),
        onpointerenter: () => animate(drawn),
        onpointerleave: () => stop(drawn),
        onfocus: () => animate(drawn),
        onblur: () => stop(drawn),
      },
      drawn,
    );
    const label = hit.category
      ? element("a", {href: categoryLink(hit.category)}, name)
      : element("span", {class: "quiet"}, name);
    const line = element("div", {class: "about"}, label, this.#act(hit, name));
    return element("li", {class: isMine(hit.key_id) ? "hit yours" : "hit", "data-key": hit.key_id}, look, line);
  }

  /** What may be done with it: remove what is one's own, hide or report anything else. */
  #act(hit, name) {
    const mine = isMine(hit.key_id);
    if (!(mine ? can.change : can.hide || can.report)) return null;
    const label = mine ? `Remove this ${name}, which you added` : `${can.hide ? "Hide" : "Report"} this ${name}`;
    const onclick = () => (mine ? removeMine(hit.key_id) : askToHide(hit));
    const attributes = {type: "button", class: "act", "aria-label": label, title: label, onclick};
    return element("button", attributes, icon(mine ? "close" : "hide"));
  }
}

function about(hit) {
  const parts = [hit.category ?? "no category"];
  if (hit.score != null) parts.push(`likeness ${hit.score.toFixed(2)}`);
  if (hit.country) parts.push(country(hit.country));
  return parts.join(", ");
}
