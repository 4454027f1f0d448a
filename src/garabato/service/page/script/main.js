// Start: set up the views, follow the address, wait for the gallery.

import {can, categories} from "./api.js";
import {enterCategory} from "./category.js";
import {byId, element} from "./dom.js";
import {drawingIsReady, enterDrawing, setUpDrawing} from "./draw.js";
import {enterExplore} from "./explore.js";
import {trouble} from "./notices.js";
import {enterOperator} from "./operator.js";
import {untilReady} from "./readiness.js";
import {follow} from "./routes.js";

for (const link of document.querySelectorAll("[data-view=operator]")) link.hidden = !can.hide;
setUpDrawing();
const ready = untilReady();
follow({
  draw: enterDrawing,
  explore: () => enterExplore(ready),
  category: ({argument}) => enterCategory(argument, ready),
  operator: enterOperator,
});
await ready;
try {
  const known = await categories();
  const names = new Set([...known.categories.map(({category}) => category), ...known.known]);
  byId("category-names").append(...[...names].map((value) => element("option", {value})));
  drawingIsReady(known);
} catch (error) {
  trouble(error.message);
}
