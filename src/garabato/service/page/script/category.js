// The page of a category: typical drawings, odd ones, confusable categories.

import {category, list} from "./api.js";
import {byId, element} from "./dom.js";
import {searchFrom} from "./draw.js";
import {count, drawings} from "./format.js";
import {Row} from "./guess.js";
import {Hits} from "./hits.js";

/** Drawings that "See all" and "More" add. */
const N_A_PAGE = 48;

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
      everyDrawing(about),
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

/** A button that shows all drawings of the category, a page at a time. */
function everyDrawing({category: name, n_drawings: n}) {
  const grid = element("ul", {class: "hits"});
  const hits = new Hits(grid, searchFrom);
  const error = element("p", {class: "error", role: "alert", hidden: true});
  const button = element("button", {type: "button", class: "action"}, `See all ${count(n)}`);
  let shown = [];
  let next = null;
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      const page = await list(name, N_A_PAGE, next);
      shown = [...shown, ...page.drawings];
      next = page.next;
      hits.show(shown);
      button.hidden = next === null;
      button.textContent = "More";
      error.hidden = true;
    } catch ({message}) {
      error.hidden = false;
      error.textContent = message;
    }
    button.disabled = false;
  });
  return block("All", "Every drawing of it in this gallery.", element("div", {class: "every"}, grid, error, button));
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
