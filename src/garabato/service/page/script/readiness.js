// While the gallery is being filled: how far it is, and the promises of it being ready.

import {readiness} from "./api.js";
import {byId, element} from "./dom.js";
import {count} from "./words.js";

const EVERY_MS = 700;

/** {ready, counted}: promises of questions being answered, and of it being known what the gallery
 * holds, which takes longer where it is large. Shows how far things are. */
export function gettingReady() {
  const box = byId("readiness");
  const bar = new Progress(box);
  let state = {};
  async function until(what) {
    while (!state[what]) {
      state = await readiness().catch((error) => ({ready: false, status: error.message}));
      box.hidden = state.ready;
      if (!state.ready) bar.show(state);
      if (!state[what]) await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    }
  }
  const ready = until("ready");
  return {ready, counted: ready.then(() => until("counted"))};
}

class Progress {
  #title = element("h2", {});
  #words = element("p", {class: "quiet"});
  #bar = element("div", {class: "hatched"});
  #track = element("div", {class: "track", role: "progressbar", "aria-label": "Filling the gallery"}, this.#bar);

  constructor(box) {
    box.append(this.#title, this.#words, this.#track);
  }

  show({status, done, total}) {
    this.#track.hidden = !total;
    if (!total) {
      this.#title.textContent = "One moment";
      this.#words.textContent = status ?? "The server is starting.";
      return;
    }
    this.#title.textContent = "Hanging the gallery";
    this.#words.textContent =
      `${count(done)} of ${count(total)} drawings are up. This happens once; draw already, results come as soon as it hangs.`;
    this.#track.setAttribute("aria-valuenow", Math.round((100 * done) / total));
    this.#bar.style.width = `${(100 * done) / total}%`;
  }
}
