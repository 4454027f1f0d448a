// Progress while the gallery is being filled.

import {readiness} from "./api.js";
import {byId} from "./dom.js";
import {count} from "./format.js";

const POLL_MS = 700;

/** Show the progress until queries are answered. Returns promises {ready, counted}: queries are answered; the
 * drawings are counted. Either may come first. */
export function watchReadiness() {
  const box = byId("readiness");
  const reached = {};
  const until = (what) => new Promise((done) => (reached[what] = done));
  async function watch() {
    const state = await readiness().catch((error) => ({status: error.message}));
    box.hidden = !!state.ready;
    if (!state.ready) showProgress(box, state);
    for (const what in reached) if (state[what]) reached[what]();
    if (!state.failed && !(state.ready && state.counted)) setTimeout(watch, POLL_MS);
  }
  watch();
  return {ready: until("ready"), counted: until("counted")};
}

function showProgress(box, {failed, status, done, total}) {
  const [title, words, track] = box.children;
  track.hidden = !total;
  title.textContent = failed ? "Loading failed" : total ? "Filling the gallery" : "Loading …";
  words.textContent = total
    ? `${count(done)} of ${count(total)} drawings added. This happens only once. You can draw now; results appear when it is done.`
    : status ?? "The server is starting.";
  if (!total) return;
  track.ariaValueNow = Math.round((100 * done) / total);
  track.firstElementChild.style.width = `${(100 * done) / total}%`;
}
