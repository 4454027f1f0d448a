// Filters: only these categories, only these countries.

import {button, element, icon} from "./dom.js";
import {country} from "./format.js";

export class Filters extends EventTarget {
  #chosen = {category: [], country: []};
  #known = [];
  #chips;
  #text;
  #category;
  #country;

  constructor(box) {
    super();
    [this.#chips, this.#text, this.#category, this.#country] = box.children;
    this.#text.addEventListener("input", () => this.dispatchEvent(new Event("change")));
    this.#category.addEventListener("change", () => this.#takeCategory());
    this.#category.addEventListener("input", ({inputType}) => {
      // chosen from the list rather than typed
      if (inputType === "insertReplacementText" || inputType === undefined) this.#takeCategory();
    });
    this.#country.addEventListener("change", () => this.#choose("country", this.#country.value));
  }

  /** The `where` of a search: {category: [...], country: [...], text}, or undefined without filters. */
  get where() {
    const where = Object.fromEntries(Object.entries(this.#chosen).filter(([, names]) => names.length));
    const text = this.#text.value.trim();
    if (text) where.text = text;
    return Object.keys(where).length ? where : undefined;
  }

  know({categories, countries}) {
    this.#known = categories.map(({category}) => category);
    this.#country.hidden = countries.length === 0;
    const names = countries.map((code) => [country(code), code]).sort(([a], [b]) => a.localeCompare(b));
    this.#country.replaceChildren(
      element("option", {value: ""}, "any country"),
      ...names.map(([name, code]) => element("option", {value: code}, name)),
    );
  }

  #takeCategory() {
    const given = this.#category.value.trim();
    const typed = given.toLowerCase();
    if (!typed) return;
    const find = (fits) => this.#known.find((one) => fits(one.toLowerCase()));
    const name = find((one) => one === typed) ?? find((one) => one.startsWith(typed));
    this.#category.value = "";
    this.#choose("category", name ?? given); // it may have been added since
  }

  #choose(kind, name) {
    if (!name || this.#chosen[kind].includes(name)) return;
    this.#chosen[kind].push(name);
    this.#changed();
  }

  #drop(kind, name) {
    this.#chosen[kind] = this.#chosen[kind].filter((one) => one !== name);
    this.#changed();
    this.#category.focus();
  }

  #changed() {
    this.#country.value = "";
    const chips = Object.entries(this.#chosen).flatMap(([kind, names]) =>
      names.map((name) => {
        const shown = kind === "country" ? country(name) : name;
        const attributes = {class: "chip", "aria-label": `Remove filter: ${shown}`};
        return button({...attributes, onclick: () => this.#drop(kind, name)}, shown, icon("close"));
      }),
    );
    this.#chips.replaceChildren(...chips);
    this.dispatchEvent(new Event("change"));
  }
}
