// The page of a category: typical drawings, odd ones, confusable categories.

import {category, list} from "./api.js";
import {button, byId, element, showError} from "./dom.js";
import {searchFrom} from "./draw.js";
import {count, drawings} from "./format.js";
import {Row} from "./guess.js";
import {Hits} from "./hits.js";

/** Drawings that "See all" and "More" show. */
const N_A_PAGE = 48;
const ALL = "All drawings of it in this gallery.";

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
    // without drawings it has no page, and browsers log what is missing
    const about = (await list(name, 1)).drawings.length ? await category(name) : null;
    if (visit !== visits) return;
    size.textContent = `${about ? drawings(about.n_drawings) : "There is no drawing of it"} in this gallery.`;
    if (about) view.append(...blocks(about));
  } catch ({message}) {
    if (visit !== visits) return;
    size.textContent = message;
  }
  const link = (href, text) => element("a", {class: "action", href}, text);
  view.append(element("p", {class: "back"}, link("#/", "Draw one"), link("#/explore", "All categories")));
}

function blocks(about) {
  const {typical, odd} = about;
  const isAll = about.n_drawings === typical.length;
  const found = [isAll ? grid("All", ALL, typical) : grid("Typical", "The most common ways to draw it.", typical)];
  if (odd.length) found.push(grid("Odd", "The drawings least like the others.", odd));
  if (about.confused_with) found.push(confusions(about));
  if (about.n_drawings > typical.length + odd.length) found.push(everyDrawing(about));
  return found;
}

function grid(title, note, hits) {
  const list = element("ul", {class: "hits"});
  new Hits(list, searchFrom).show(hits);
  return block(title, note, list);
}

/** A button that shows all drawings of the category, a page at a time. */
function everyDrawing({category: name, n_drawings: n}) {
  const grid = element("ul", {class: "hits"});
  const hits = new Hits(grid, searchFrom);
  const error = element("p", {class: "error", role: "alert", hidden: true});
  const more = button({class: "action", onclick: showMore}, `See all ${count(n)}`);
  let next = null;
  async function showMore() {
    more.disabled = true;
    try {
      const page = await list(name, N_A_PAGE, next);
      next = page.next;
      hits.show([...hits.shown, ...page.drawings]);
      more.hidden = next === null;
      more.textContent = "More";
      showError(null, error);
    } catch ({message}) {
      showError(message, error);
    }
    more.disabled = false;
  }
  return block("All", ALL, element("div", {class: "every"}, grid, error, more));
}

function confusions({confused_with: others}) {
  const list = element("ul", {class: "bars"});
  for (const {category: other, share} of others) new Row(list).show({category: other, probability: share});
  const note = others.length
    ? "Its nearest drawings of other categories, by category."
    : "Its nearest drawings are all of this category.";
  return block("Confused with", note, others.length ? list : null);
}

export function block(title, note, content) {
  const head = element("div", {}, element("h2", {}, title), element("p", {class: "quiet"}, note));
  return element("section", {class: "block"}, head, content);
}
