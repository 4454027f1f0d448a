// The only module that talks to the server. A page without a server brings another module with the
// same functions and `can`. A drawing is a list of strokes, each [[x, ...], [y, ...]].

import {token} from "./token.js";

/** What this page can do besides searching. */
export const can = {add: true, hide: true, openFiles: true};

/** Something the server (or the way to it) refused, in words for people. */
class Problem extends Error {
  constructor(message, status = 0) {
    super(message);
    this.status = status;
  }
}

/** {ready} or {ready: false, done, total}: how far the gallery is. */
export async function readiness() {
  const answer = await reach("readyz");
  if (answer.ok) return {ready: true};
  if (answer.status !== 503) throw await problemOf(answer);
  return {ready: false, ...(await answer.json().catch(() => ({})))};
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
export const hidden = async () => (await ask("v1/hidden")).hidden;
export const restore = (keyId) =>
  ask(`v1/drawings/${encodeURIComponent(keyId)}/restore`, {method: "POST"});

/** {categories: [{category, n_drawings}], countries: [..], known: [..]}, the last being the
 * categories that the encoder knows; asked for once. */
export const categories = once(() => ask("v1/categories"));
export const category = (name) => ask(`v1/categories/${encodeURIComponent(name)}`);

/** {n, categories, category, x, y, key_id}; a Problem of status 503 while it is computed. */
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
