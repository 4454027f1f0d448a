// The drawing view: the pad, the predictions, the most similar drawings.

import {can, drawingFromFile, onCan, search} from "./api.js";
import {askToAdd, onMine} from "./changes.js";
import {byId, kept, motionAllowed, showError, speak, toast} from "./dom.js";
import {takeFiles} from "./file_input.js";
import {Filters} from "./filters.js";
import {drawings, percent} from "./format.js";
import {Guess, verdictOf} from "./guess.js";
import {Hits, latest} from "./hits.js";
import {LiveSearch} from "./live_search.js";
import {drawWithKeys, Pad} from "./pad.js";
import {decode, encode} from "./share.js";
import {fitted, Sketch} from "./sketch.js";
import {Taught} from "./teach.js";
import {Invitation, Welcome} from "./welcome.js";

/** Hits at first, and with each "More"; the API gives at most MAX_HITS. */
const N_HITS = 24;
const MAX_HITS = 192;
const N_PREDICTIONS = 5;
/** The User Timing measure that benchmarks read. */
const PAINTED = "stroke finished to results painted";
const store = kept("sessionStorage", "garabato.pad");

const sketch = new Sketch();
const pad = new Pad(byId("pad"), sketch);
const filters = new Filters(byId("filters"));
const guess = new Guess(byId("guess"));
const hits = new Hits(byId("hits"), searchFrom);
const invitation = new Invitation(byId("invitation"));
const welcome = new Welcome(byId("welcome"), searchFrom);
const taught = new Taught(byId("taught"), () => changed(true));
const live = new LiveSearch((query, signal) => search(query.body, signal), showResult, showFailure);
const files = new LiveSearch(drawingFromFile, putOnPad, showFailure);
let isReady = false;
let verdict = null;
let nHits = N_HITS;

export function setUpDrawing() {
  const ask = (n, finished) => {
    nHits = n;
    changed(finished);
  };
  sketch.addEventListener("change", ({detail}) => {
    files.cancel(); // what is drawn later stays
    if (sketch.isEmpty) showError(null);
    // an address with an earlier drawing would bring it back
    if (/^#d=/.test(location.hash) && location.hash !== fragment()) history.replaceState(null, "", "#/");
    ask(N_HITS, detail.finished);
  });
  filters.addEventListener("change", () => ask(N_HITS, true));
  onClick("more", () => ask(nHits + N_HITS, true));
  drawWithKeys(byId("pad"), sketch, pad, (words) => speak(words, 0));
  for (const act of ["undo", "redo", "clear"]) onClick(act, () => sketch[act]());
  onClick("replay", () => pad.replay());
  onClick("share", share);
  onClick("add", () => askToAdd(sketch.drawn(), !verdict || verdict.unsure ? null : verdict.predictions[0].category));
  // the gallery's vote learns from a drawing that is added, at once
  onClick("teach", () => (verdict.by === "gallery" ? askToAdd(sketch.drawn()) : taught.ask(sketch.drawn())));
  onCan(() => {
    for (const id of ["add", "teach"]) byId(id).hidden = !can.change;
  });
  byId("open").hidden = !can.openFiles;
  onClick("open", () => byId("file").click());
  if (can.openFiles) takeFiles(byId("file"), (file) => files.now(file));
  addEventListener("keydown", shortcuts);
  const mine = new Hits(byId("mine").querySelector("ul"), searchFrom);
  onMine((list) => {
    byId("mine").hidden = !list.length;
    mine.show(list);
    if (isReady) changed(true);
  });
  const before = store.get(null);
  store.set(null);
  if (before?.drawing.length) sketch.replace(before);
  changed(true);
}

/** Keep the drawing for the next time the page is loaded in this tab. */
export function keepDrawing() {
  store.set(sketch.drawn());
}

/** Start searching: the server answers queries now. */
export function drawingIsReady() {
  isReady = true;
  taught.start();
  changed(true);
}

export function offer(known) {
  filters.know(known);
  welcome.know(known);
}

/** Show the view, with the drawing shared in the address if there is one. */
export function enterDrawing({shared}) {
  document.title = "garabato: draw to search";
  const found = shared ? decode(shared) : null;
  if (found) sketch.replace(found);
  else if (shared) showError("The drawing in this link is incomplete. Ask for the whole link.");
}

/** Put a hit's drawing on the pad and search with it. */
export function searchFrom(hit) {
  putOnPad(hit);
  speak(`Searching with this ${hit.category ?? "drawing"}`, 0);
}

function putOnPad({drawing, traced}) {
  showError(null);
  location.hash = "#/";
  sketch.replace({drawing: fitted(drawing), traced});
  byId("pad").scrollIntoView({block: "nearest", behavior: motionAllowed() ? "smooth" : "auto"});
}

const onClick = (id, act) => byId(id).addEventListener("click", act);

function changed(finished) {
  byId("undo").disabled = !sketch.canUndo;
  byId("redo").disabled = !sketch.canRedo;
  for (const id of ["clear", "replay", "share", "add"]) byId(id).disabled = sketch.isEmpty;
  invitation.show(sketch.isEmpty);
  welcome.show(sketch.isEmpty || !isReady);
  byId("found").hidden = sketch.isEmpty || !isReady;
  if (sketch.isEmpty) {
    live.cancel();
    guess.hide();
    hits.show([]);
    byId("more").hidden = true;
    latest.hits = [];
    verdict = null;
    return;
  }
  if (!isReady) return;
  byId("found").ariaBusy = true;
  const body = {...sketch.drawn(), k: nHits, where: filters.where, predictions: N_PREDICTIONS};
  if (finished) live.now({body, finishedMs: performance.now()});
  else live.soon({body});
}

function showResult(result, {body, finishedMs}) {
  showError(null);
  verdict = verdictOf(result);
  const {category, probability} = verdict.predictions[0];
  guess.show(verdict);
  hits.show(result.hits);
  latest.hits = result.hits;
  latest.drawing = body.drawing;
  byId("more").hidden = result.hits.length < nHits || nHits >= MAX_HITS;
  byId("found-note").textContent = result.hits.length
    ? `${drawings(result.hits.length)}, found in ${Math.max(1, Math.round(result.took_ms))} ms.`
    : "No drawing in the gallery matches these filters.";
  if (finishedMs === undefined) return;
  byId("found").ariaBusy = false;
  speak(`${verdict.says} ${category}, ${percent(probability)}`);
  // a task queued in a frame's callback runs once that frame is on the screen
  requestAnimationFrame(() => setTimeout(() => performance.measure(PAINTED, {start: finishedMs})));
}

function showFailure({message, temporary}) {
  byId("found").ariaBusy = false;
  showError(temporary ? `${message} Trying again …` : message);
}

const fragment = () => `#d=${encode(sketch.drawn())}`;

async function share() {
  history.replaceState(null, "", fragment());
  let where = "Link copied";
  try {
    await navigator.clipboard.writeText(location.href);
  } catch {
    where = "The link is in the address bar";
  }
  toast(`${where}. Anyone who opens it sees your drawing.`);
}

function shortcuts(event) {
  if (!(event.ctrlKey || event.metaKey) || event.altKey) return;
  if (byId("draw").hidden || event.target.closest("dialog, input, select")) return;
  const key = event.key.toLowerCase();
  if (key === "z" && !event.shiftKey) sketch.undo();
  else if (key === "y" || key === "z") sketch.redo();
  else return;
  event.preventDefault();
}
