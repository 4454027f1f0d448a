// The only module that talks to the server. A page without a server brings another module with the
// same functions and `can`. A drawing is a list of strokes, each [[x, ...], [y, ...]].

import {token} from "./token.js";

/** What may be done here besides searching; what the server decides is false until it has said so. */
export const can = {change: false, hide: false, report: true, openFiles: true};
const listeners = new Set();

/** `listener()` is called now and whenever `can` is another. */
export function onCan(listener) {
  listeners.add(listener);
  listener();
}

/** Something the server (or the way to it) refused, in words for people. */
class Problem extends Error {
  constructor(message, status = 0) {
    super(message);
    this.status = status;
  }
}

/** {ready, counted, status, done, total}: how far the gallery is, and what it holds; sets `can`. */
export async function readiness() {
  const {may, ...state} = await ask("v1/state");
  if (may.change !== can.change || may.hide !== can.hide) {
    Object.assign(can, may);
    for (const listener of listeners) listener();
  }
  return state;
}

/** query: {drawing, k, where, predictions} -> {hits, predictions, unsure, took_ms}. */
export const search = (query, signal) => ask("v1/search", {method: "POST", body: query, signal});

/** The strokes of a file in any format the server reads. */
export async function strokesOf(file) {
  const form = new FormData();
  form.append("file", file, file.name || "pasted");
  return (await ask("v1/classify", {method: "POST", body: form})).drawing;
}

/** Add a drawing to the gallery; its key_id. */
export async function add(drawing, category) {
  const body = category ? {drawing, category} : {drawing};
  return (await ask("v1/drawings", {method: "POST", body})).key_ids[0];
}

export const drawing = (keyId, signal) => ask(`v1/drawings/${encodeURIComponent(keyId)}`, {signal});
/** A few drawings of a category, any, as hits are. */
export const some = async (name, n) =>
  (await ask(`v1/drawings?category=${encodeURIComponent(name)}&limit=${n}`)).drawings;
export const remove = (keyId) => ask(`v1/drawings/${encodeURIComponent(keyId)}`, {method: "DELETE"});

/** Take a drawing out of all results until an operator restores it. */
export const hide = (keyId, reason) =>
  ask(`v1/drawings/${encodeURIComponent(keyId)}/hide`, {method: "POST", body: {reason}});
/** Tell the operator of a drawing, which stays until they hide it. */
export const report = (keyId, reason) =>
  ask(`v1/drawings/${encodeURIComponent(keyId)}/report`, {method: "POST", body: {reason}});
export const reported = async () => (await ask("v1/reported")).reported;
/** Forget what was reported of a drawing. */
export const forget = (keyId) =>
  ask(`v1/drawings/${encodeURIComponent(keyId)}/report`, {method: "DELETE"});
export const hidden = async () => (await ask("v1/hidden")).hidden;
export const restore = (keyId) =>
  ask(`v1/drawings/${encodeURIComponent(keyId)}/restore`, {method: "POST"});

/** {categories: [{category, n_drawings}], countries: [..], known: [..]}, the last being the
 * categories that the encoder knows; asked for once. */
export const categories = once(() => ask("v1/categories"));
export const category = (name) => ask(`v1/categories/${encodeURIComponent(name)}`);

/** {ready, status}: how far the map is, which is computed when it is asked about first. */
export const mapState = () => ask("v1/map/state");
/** {n, categories, category, x, y, key_id}; once it is ready. */
export const map = once(() => ask("v1/map"));

function once(load) {
  let answer = null;
  return () => {
    answer ??= load().catch((problem) => {
      answer = null;
      throw problem;
    });
    return answer;
  };
}

async function ask(path, {method = "GET", body, signal} = {}) {
  const headers = {Accept: "application/json"};
  if (token()) headers.Authorization = `Bearer ${token()}`;
  if (body && !(body instanceof FormData)) {
    headers["Content-Type"] = "application/json";
    body = JSON.stringify(body);
  }
  const answer = await reach(path, {method, headers, body, signal});
  if (!answer.ok) throw await problemOf(answer);
  return answer.status === 204 ? null : answer.json();
}

async function reach(path, options) {
  try {
    return await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem("The server doesn't answer. What you draw stays here; draw on to try again.");
  }
}

async function problemOf(answer) {
  const {title, detail} = await answer.json().catch(() => ({}));
  return new Problem(detail || title || `The server answered ${answer.status}.`, answer.status);
}
