// "This is a ...": teach the encoder a category from drawings, and list what it was taught.

import {can, forget, onCan, taught, teach} from "./api.js";
import {count, drawings} from "./format.js";
import {button, element, formDialog, icon, kept, textInput, toast} from "./dom.js";
import {picture} from "./picture.js";

const store = kept("localStorage", "garabato.taught");
/** Drawings of a category that the browser keeps, to teach it again with one more. */
const MAX_KEPT = 20;

export class Taught {
  #box;
  #chips;
  #listed = [];
  #changed;

  /** Show the taught categories in `box` to visitors who may change them. Changes call `changed()`. */
  constructor(box, changed) {
    this.#box = box;
    this.#changed = changed;
    this.#chips = box.querySelector(".filters");
  }

  /** Call it once the encoder is loaded. */
  start() {
    onCan(() => this.#read());
  }

  /** Ask what {drawing, traced} is, then teach it. */
  ask(drawn) {
    const names = element("datalist", {id: "taught-names"}, ...this.#listed.map(({category}) => element("option", {value: category})));
    const input = textInput({name: "category", list: "taught-names", required: true});
    formDialog({
      title: "This is a …",
      content: [
        picture(drawn.drawing),
        element("label", {class: "field"}, element("span", {}, "Name of the new category"), input, names),
        element("p", {class: "quiet"}, "The encoder learns it at once, for everyone who uses this service. Five to ten drawings are enough."),
      ],
      action: "Teach it",
      submit: (form) => this.#teach(form.get("category").trim(), drawn),
    });
    input.focus();
  }

  async #teach(name, drawn) {
    const {[name]: before = []} = {__proto__: null, ...store.get({})};
    const n = (await taught()).find(({category}) => category === name)?.n_drawings ?? 0;
    if (n > before.length) {
      throw new Error(`“${name}” was taught elsewhere from ${drawings(n)}. Remove it first, or choose another name.`);
    }
    const all = [drawn, ...(n ? before : [])].slice(0, MAX_KEPT);
    await teach(name, all);
    keep(name, all);
    toast(`Taught “${name}” from ${drawings(all.length)}.`);
    await this.#update();
  }

  async #forget(name) {
    try {
      await forget(name);
      toast(`Removed “${name}”.`);
    } catch (error) {
      if (error.status !== 404) return toast(error.message);
    }
    keep(name, undefined);
    await this.#update();
  }

  async #update() {
    await this.#read();
    this.#changed();
  }

  async #read() {
    this.#listed = can.change ? await taught().catch(() => []) : [];
    this.#box.hidden = !this.#listed.length;
    this.#chips.replaceChildren(
      ...this.#listed.map(({category, n_drawings: n}) => {
        const label = `Remove ${category}, taught from ${drawings(n)}`;
        const attributes = {class: "chip", "aria-label": label, title: label, onclick: () => this.#forget(category)};
        return button(attributes, category, element("span", {class: "quiet"}, count(n)), icon("close"));
      }),
    );
  }
}

/** Keep the drawings that taught a category, latest first. Without room for them, it can only be removed. */
const keep = (name, list) => store.set({...store.get({}), [name]: list});
