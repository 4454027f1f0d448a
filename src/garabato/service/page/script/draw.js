// The view where one draws: the sheet, what it looks like, the drawings most like it.

import {can, onCan, search} from "./api.js";
import {askToAdd} from "./adding.js";
import {byId, motionIsWelcome} from "./dom.js";
import {Filters} from "./filters.js";
import {found} from "./found.js";
import {Guess} from "./guess.js";
import {onHidden} from "./hiding.js";
import {Hits} from "./hits.js";
import {takeFiles} from "./intake.js";
import {Invitation} from "./invitation.js";
import {drawWithKeys} from "./keyboardpen.js";
import {Live} from "./live.js";
import {onMine} from "./mine.js";
import {speak, toast, trouble} from "./notices.js";
import {decode, encode} from "./share.js";
import {Sheet} from "./sheet.js";
import {fitted, Sketch} from "./sketch.js";
import {Welcome} from "./welcome.js";
import {drawings, percent} from "./words.js";

const N_HITS = 24;
const N_PREDICTIONS = 5;
/** The name of the measurement that benchmarks read (User Timing). */
const PAINTED = "stroke finished to results painted";

const sketch = new Sketch();
const sheet = new Sheet(byId("sheet"), sketch);
const filters = new Filters(byId("filters"));
const guess = new Guess(byId("guess"));
const hits = new Hits(byId("hits"), searchFrom);
const invitation = new Invitation(byId("invitation"));
const welcome = new Welcome(byId("welcome"), searchFrom);
const live = new Live((query, signal) => search(query.body, signal), deliver, fail);
let isReady = false;
let best = null;

export function setUpDrawing() {
  sketch.addEventListener("change", ({detail}) => changed(detail.finished));
  filters.addEventListener("change", () => changed(true));
  drawWithKeys(byId("sheet"), sketch, sheet, (words) => speak(words, 0));
  byId("undo").addEventListener("click", () => sketch.undo());
  byId("redo").addEventListener("click", () => sketch.redo());
  byId("clear").addEventListener("click", () => sketch.clear());
  byId("replay").addEventListener("click", () => sheet.replay());
  byId("share").addEventListener("click", share);
  byId("add").addEventListener("click", () => askToAdd(sketch.lists(), best));
  onCan(() => (byId("add").hidden = !can.change));
  byId("open").hidden = !can.openFiles;
  byId("open").addEventListener("click", () => byId("file").click());
  if (can.openFiles) takeFiles(byId("file"), putOnSheet);
  addEventListener("keydown", shortcuts);
  onHidden((keyId) => (found.hits = found.hits.filter((hit) => hit.key_id !== keyId)));
  const mine = new Hits(byId("mine").querySelector("ul"), searchFrom);
  onMine((list) => {
    byId("mine").hidden = !list.length;
    mine.show(list);
    if (isReady) changed(true);
  });
  changed(true);
}

/** Questions will be answered from now on. */
export function drawingIsReady() {
  isReady = true;
  changed(true);
}

/** Offer the gallery's categories and countries: as filters, and something to draw. */
export function offer(known) {
  filters.know(known);
  welcome.know(known);
}

/** The view is shown; with a shared drawing in the address that one. */
export function enterDrawing({shared}) {
  document.title = "garabato: draw to search";
  const lists = shared ? decode(shared) : null;
  if (lists) sketch.replace(lists);
  else if (shared) trouble("The drawing in this address is incomplete: ask for the whole address.");
}

/** Put somebody's drawing on the sheet and search from it. */
export function searchFrom(hit) {
  putOnSheet(hit.drawing);
  speak(`Searching from this ${hit.category ?? "drawing"}`, 0);
}

function putOnSheet(lists) {
  location.hash = "#/";
  sketch.replace(fitted(lists));
  byId("sheet").scrollIntoView({block: "nearest", behavior: motionIsWelcome() ? "smooth" : "auto"});
}

function changed(finished) {
  byId("undo").disabled = !sketch.canUndo;
  byId("redo").disabled = !sketch.canRedo;
  for (const id of ["clear", "replay", "share", "add"]) byId(id).disabled = sketch.isEmpty;
  invitation.show(sketch.isEmpty);
  welcome.show(sketch.isEmpty);
  byId("found").hidden = sketch.isEmpty || !isReady;
  if (sketch.isEmpty) {
    live.cancel();
    guess.hide();
    hits.show([]);
    found.hits = [];
    best = null;
    return;
  }
  if (!isReady) return;
  byId("found").setAttribute("aria-busy", "true");
  const drawing = sketch.lists();
  const body = {drawing, k: N_HITS, where: filters.where, predictions: N_PREDICTIONS};
  if (finished) live.now({body, finishedMs: performance.now()});
  else live.soon({body});
}

function deliver(answer, {finishedMs}) {
  trouble(null);
  best = answer.unsure ? null : answer.predictions[0].category;
  guess.show(answer.predictions, answer.unsure);
  hits.show(answer.hits);
  found.hits = answer.hits;
  byId("found-note").textContent = answer.hits.length
    ? `${drawings(answer.hits.length)}, found in ${Math.max(1, Math.round(answer.took_ms))} ms.`
    : "Nothing in the gallery passes these filters.";
  if (finishedMs === undefined) return;
  byId("found").setAttribute("aria-busy", "false");
  const {category, probability} = answer.predictions[0];
  speak(`${answer.unsure ? "Not sure yet, perhaps" : "Looks like"} ${category}, ${percent(probability)}`);
  // the frame after this one's callbacks is on the screen when a task queued in it runs
  requestAnimationFrame(() => setTimeout(() => performance.measure(PAINTED, {start: finishedMs})));
}

function fail(error) {
  byId("found").setAttribute("aria-busy", "false");
  trouble(error.message);
}

async function share() {
  history.replaceState(null, "", `#d=${encode(sketch.lists())}`);
  try {
    await navigator.clipboard.writeText(location.href);
    toast("The link is copied: whoever opens it sees your drawing.");
  } catch {
    toast("The link is in the address bar: whoever opens it sees your drawing.");
  }
}

function shortcuts(event) {
  if (!(event.ctrlKey || event.metaKey) || event.altKey || event.target.matches("input, select")) return;
  const key = event.key.toLowerCase();
  if (key === "z" && !event.shiftKey) sketch.undo();
  else if (key === "y" || key === "z") sketch.redo();
  else return;
  event.preventDefault();
}
