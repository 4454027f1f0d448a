// Progress of the gallery while it is being filled.

import {readiness} from "./api.js";
import {byId, element} from "./dom.js";
import {count} from "./format.js";

const POLL_MS = 700;

/** Show the progress of the gallery. {ready, counted}: promises that resolve once queries are
 * answered, and once the gallery's drawings are counted. */
export function watchReadiness() {
  const box = byId("readiness");
  const bar = new Progress(box);
  let state = {};
  async function until(what) {
    while (!state[what]) {
      state = await readiness().catch((error) => ({ready: false, status: error.message}));
      box.hidden = state.ready;
      if (!state.ready) bar.show(state);
      if (!state[what]) await new Promise((resolve) => setTimeout(resolve, POLL_MS));
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
    this.#title.textContent = "Filling the gallery";
    this.#words.textContent =
      `${count(done)} of ${count(total)} drawings added. This happens once. You can draw already; results appear when it is ready.`;
    this.#track.setAttribute("aria-valuenow", Math.round((100 * done) / total));
    this.#bar.style.width = `${(100 * done) / total}%`;
  }
}
