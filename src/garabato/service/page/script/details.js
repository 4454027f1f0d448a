// A hit's details: why it matched (the query laid over it), and its name, SVG and link to copy.

import {original} from "./api.js";
import {button, element, openDialog, svg} from "./dom.js";
import {nameOf, webLink} from "./format.js";
import {picture} from "./picture.js";
import {fitted, SIDE} from "./sketch.js";
import {pathOf} from "./strokes.js";

export function showDetails(hit, query) {
  const name = nameOf(hit);
  const link = webLink(hit);
  const status = element("p", {class: "quiet", role: "status"});
  const copy = async (label, text) => {
    try {
      await navigator.clipboard.writeText(await text());
      status.textContent = `${label.replace("Copy", "Copied the")}.`;
    } catch {
      status.textContent = "The browser did not allow copying.";
    }
  };
  const copies = [["Copy name", () => name], ["Copy SVG", () => svgOf(hit)], ...(link ? [["Copy link", () => link]] : [])];
  const dialog = openDialog(
    {class: "details", autofocus: true, "aria-labelledby": "details-title"},
    element("h2", {id: "details-title"}, name),
    overlay(hit.drawing, query ?? []),
    ...[...lines(hit, query)].map((words) => element("p", {class: "quiet"}, ...words)),
    status,
    element(
      "div",
      {class: "actions"},
      ...copies.map(([label, text]) => button({class: "action", onclick: () => copy(label, text)}, label)),
      button({class: "action main-action", onclick: () => dialog.close()}, "Close"),
    ),
  );
}

function* lines(hit, query) {
  const colour = element("span", {class: "query"}, "this colour");
  if (query) yield [`Score ${hit.score.toFixed(2)}. Your drawing is laid over it, in `, colour, "."];
  if (hit.name_match) yield [`Moved up: its name or tags say “${hit.name_match}”.`];
  if (hit.title && hit.category && hit.title !== hit.category) yield [`Category: ${hit.category}`];
  if (hit.tags?.length) yield [`Tags: ${hit.tags.join(", ")}`];
}

/** Two drawings, fitted to the same box as the encoder sees them. */
function overlay(drawing, query) {
  const paths = (lists, attributes) => fitted(lists).map(([xs, ys]) => svg("path", {...attributes, d: pathOf(xs, ys)}));
  const attributes = {class: "picture overlay", viewBox: `60 60 ${SIDE - 120} ${SIDE - 120}`, "aria-hidden": "true"};
  return svg("svg", attributes, ...paths(drawing, {}), ...paths(query, {class: "query"}));
}

/** The original file of a hit if it is an SVG, else its strokes as an SVG. */
async function svgOf(hit) {
  const response = original(hit) && (await fetch(original(hit)));
  if (response?.headers.get("content-type")?.startsWith("image/svg")) return response.text();
  const drawn = picture(hit.drawing);
  const viewBox = drawn.getAttribute("viewBox");
  const line = {stroke: "currentColor", "stroke-width": viewBox.split(" ")[2] / 40, "stroke-linecap": "round", "stroke-linejoin": "round"};
  return new XMLSerializer().serializeToString(svg("svg", {viewBox, fill: "none", overflow: "visible", ...line}, ...drawn.children));
}
