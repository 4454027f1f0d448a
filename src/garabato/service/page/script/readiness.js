// Progress of the gallery while it is being filled.

import {readiness} from "./api.js";
import {byId} from "./dom.js";
import {count} from "./format.js";

const POLL_MS = 700;

/** Show the progress until the gallery is ready. Returns promises {ready, counted}: queries are answered; the
 * drawings are counted. */
export function watchReadiness() {
  const box = byId("readiness");
  let state = {};
  async function until(what) {
    while (!state[what]) {
      state = await readiness().catch((error) => ({ready: false, status: error.message}));
      box.hidden = state.ready;
      if (!state.ready) showProgress(box, state);
      if (!state[what]) await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }
  const ready = until("ready");
  return {ready, counted: ready.then(() => until("counted"))};
}

function showProgress(box, {status, done, total}) {
  const [title, words, track] = box.children;
  track.hidden = !total;
  title.textContent = total ? "Filling the gallery" : "One moment";
  words.textContent = total
    ? `${count(done)} of ${count(total)} drawings added. This happens only once. You can draw now; results appear when it is done.`
    : status ?? "The server is starting.";
  if (!total) return;
  track.setAttribute("aria-valuenow", Math.round((100 * done) / total));
  track.firstElementChild.style.width = `${(100 * done) / total}%`;
}
