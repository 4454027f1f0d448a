// The page of a category: typical drawings, odd ones, confusable categories.

import {category} from "./api.js";
import {byId, element} from "./dom.js";
import {searchFrom} from "./draw.js";
import {drawings} from "./format.js";
import {Row} from "./guess.js";
import {Hits} from "./hits.js";

let visits = 0;

export async function enterCategory(name, counted) {
  const visit = ++visits;
  const view = byId("category");
  document.title = `${name}: garabato`;
  const title = element("h1", {id: "category-title"}, name);
  const size = element("p", {class: "quiet"}, "Comparing its drawings …");
  view.replaceChildren(element("header", {}, title, size));
  await counted;
  try {
    const about = await category(name);
    if (visit !== visits) return;
    size.textContent = `${drawings(about.n_drawings)} in this gallery.`;
    view.append(
      grid("Typical", "The most common ways to draw it.", about.typical),
      grid("Odd", "The drawings least like the others.", about.odd),
      confusions(about),
    );
  } catch (error) {
    if (visit !== visits) return;
    size.textContent = error.message;
  }
  const links = [element("a", {class: "action", href: "#/"}, "Draw one"), element("a", {class: "action", href: "#/explore"}, "All categories")];
  view.append(element("p", {class: "back"}, ...links));
}

function grid(title, note, hits) {
  const list = element("ul", {class: "hits"});
  new Hits(list, searchFrom).show(hits);
  return block(title, note, hits.length ? list : null);
}

function confusions({confused_with: others}) {
  const list = element("ul", {class: "bars"});
  for (const {category: other, share} of others) new Row(list).show({category: other, probability: share});
  const note = others.length
    ? "Other categories among its nearest drawings, with their share."
    : "No other category is near it.";
  return block("Confused with", note, others.length ? list : null);
}

function block(title, note, content) {
  const head = element("div", {}, element("h2", {}, title), element("p", {class: "quiet"}, note));
  return element("section", {class: "block"}, head, content);
}
