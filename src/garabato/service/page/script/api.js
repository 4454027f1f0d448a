// The only module that talks to the server. Exported pages replace it with another one with the same exports.
// A drawing is a list of strokes, each [[x, ...], [y, ...]].

import {kept} from "./dom.js";

/** What visitors may do besides searching. The server grants what is false here. */
export const can = {change: false, hide: false, report: true, openFiles: true};
const listeners = new Set();

/** Call `listener()` now and whenever `can` changes. */
export function onCan(listener) {
  listeners.add(listener);
  listener();
}

/** The gallery that the page's address names (?gallery=icons), or null for the first. */
export const gallery = new URLSearchParams(location.search).get("gallery");

/** An error with a message for people; `status` is the HTTP status, 0 without a response. `temporary`: the same request may
 * succeed later. */
class ApiError extends Error {
  constructor(message, status = 0) {
    super(message);
    this.status = status;
    this.temporary = status === 0 || status === 503;
  }
}

/** {ready, counted, status, done, total}: progress, or (exported pages) `failed`. Updates `can`. */
export async function readiness() {
  const {may, ...state} = await send("v1/state");
  if (may.change !== can.change || may.hide !== can.hide) {
    Object.assign(can, may);
    for (const listener of listeners) listener();
  }
  return state;
}

/** query: {drawing, k, where, predictions} ->
 * {hits, predictions, unsure, took_ms, headline: "encoder"}, or with headline "gallery" also {votes, votes_unsure}. */
export const search = (query, signal) => request("v1/search", {method: "POST", body: query, signal});

/** {drawing, traced} of a file of any supported format. */
export async function drawingFromFile(file, signal) {
  await file.slice(0, 1).arrayBuffer().catch(() => {
    throw new ApiError(`“${file.name}” cannot be read. If it is a folder, open one of its files.`, 400);
  });
  const form = new FormData();
  form.append("file", file, file.name || "pasted");
  return send("v1/classify", {method: "POST", body: form, signal});
}

/** Add {drawing, traced, category} to the gallery; resolves to its key_id. */
export async function add(body) {
  return (await request("v1/drawings", {method: "POST", body})).key_ids[0];
}

/** The address of a hit's original file, or null if none is kept. */
export const original = (hit) => (hit.original_type ? ofGallery(drawingPath(hit.key_id, "/original")) : null);

export const drawing = (keyId) => request(drawingPath(keyId));
/** `n` drawings of a category: {drawings, next}. Give `next` as `after` for more; it is null at the end. */
export const list = (category, n, after = null) => drawings({category, limit: n, ...(after === null ? {} : {after})});
/** {drawings, next}: up to `n` drawings with these words in title, category or tags. */
export const withWords = (text, n, signal) => drawings({text, limit: n}, signal);
export const remove = (keyId) => request(drawingPath(keyId), {method: "DELETE"});

/** Remove a drawing from all results until an operator restores it. */
export const hide = (keyId, reason) => request(drawingPath(keyId, "/hide"), {method: "POST", body: {reason}});
/** Report a drawing to the operator. It stays visible until they hide it. */
export const report = (keyId, reason) => request(drawingPath(keyId, "/report"), {method: "POST", body: {reason}});
export const reported = async () => (await request("v1/reported")).reported;
/** Dismiss the reports about a drawing. */
export const dismissReports = (keyId) => request(drawingPath(keyId, "/report"), {method: "DELETE"});
export const hidden = async () => (await request("v1/hidden")).hidden;
export const restore = (keyId) => request(drawingPath(keyId, "/restore"), {method: "POST"});

/** {categories: [{category, n_drawings}], countries, known (the encoder's categories)}. Fetched once. */
export const categories = once(() => request("v1/categories"));
export const category = (name) => request(`v1/categories/${encodeURIComponent(name)}`);

/** [{category, n_drawings}]: the categories that the encoder was taught from drawings. */
export const taught = async () => (await send("v1/encoder/categories")).categories;
/** Teach the encoder a category from these {drawing, traced}, which replace earlier ones. */
export function teach(name, all) {
  const body = {drawings: all.map(({drawing}) => drawing), traced: all.map(({traced}) => !!traced)};
  return send(taughtPath(name), {method: "PUT", body});
}
export const forget = (name) => send(taughtPath(name), {method: "DELETE"});

/** {ready, status}: progress of the map. The first call starts computing it. */
export const mapState = () => request("v1/map/state");
/** {n, categories, category, x, y, key_id}, once the map is ready. Fetched once. */
export const map = once(() => request("v1/map"));

/** [{name, n_drawings}]: the galleries of this server; the first is the default. */
export const galleries = async () => (await send("v1/galleries")).galleries;

const drawings = (query, signal) => request(`v1/drawings?${new URLSearchParams(query)}`, {signal});
const taughtPath = (name) => `v1/encoder/categories/${encodeURIComponent(name)}`;
const drawingPath = (keyId, action = "") => `v1/drawings/${encodeURIComponent(keyId)}${action}`;
const request = (path, options) => send(ofGallery(path), options);

function ofGallery(path) {
  return gallery === null ? path : `${path}${path.includes("?") ? "&" : "?"}gallery=${encodeURIComponent(gallery)}`;
}

function once(load) {
  let result = null;
  return () => {
    result ??= load().catch((error) => {
      result = null;
      throw error;
    });
    return result;
  };
}

async function send(path, {method = "GET", body, signal} = {}) {
  const headers = {Accept: "application/json"};
  if (token()) headers.Authorization = `Bearer ${token()}`;
  if (body && !(body instanceof FormData)) {
    headers["Content-Type"] = "application/json";
    body = JSON.stringify(body);
  }
  try {
    const response = await fetch(path, {method, headers, body, signal});
    if (!response.ok) throw await errorOf(response);
    return response.status === 204 ? null : await response.json();
  } catch (error) {
    if (error instanceof ApiError || error.name === "AbortError") throw error;
    throw new ApiError("The server does not respond. Your drawing is safe here.");
  }
}

async function errorOf(response) {
  const {title, detail} = await response.json().catch(() => ({}));
  const message = detail || title || `The server returned status ${response.status}.`;
  return new ApiError(response.status === 413 ? `The file is too large: ${message}` : message, response.status);
}

const store = kept("sessionStorage", "garabato.token");
let secret = store.get("");

/** The token that a shared server requires for changes, kept until the tab is closed. */
export const token = () => secret;

export function setToken(value) {
  secret = value.replace(/[^!-~]/g, ""); // other characters cannot be sent
  store.set(secret);
}
