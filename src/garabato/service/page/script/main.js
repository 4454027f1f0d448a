// Start: set up the views, follow the address, wait for the gallery.

import {can, categories} from "./api.js";
import {enterCategory} from "./category.js";
import {byId, element, showError} from "./dom.js";
import {drawingIsReady, enterDrawing, offer, setUpDrawing} from "./draw.js";
import {enterExplore} from "./explore.js";
import {enterOperator} from "./operator.js";
import {watchReadiness} from "./readiness.js";
import {follow} from "./routes.js";

const RETRY_MS = 1500;

for (const link of document.querySelectorAll("[data-view=operator]")) link.hidden = !can.report;
setUpDrawing();
const {ready, counted} = watchReadiness();
follow({
  draw: enterDrawing,
  explore: () => enterExplore(counted),
  category: ({argument}) => enterCategory(argument, counted),
  operator: () => enterOperator(ready),
});
await ready;
drawingIsReady();
await counted;
const known = await loadCategories();
const names = new Set([...known.categories.map(({category}) => category), ...known.known]);
byId("category-names").append(...[...names].map((value) => element("option", {value})));
offer(known);

/** The gallery's categories, retried until the server responds. */
async function loadCategories() {
  for (;;) {
    try {
      return await categories();
    } catch (error) {
      showError(error.message);
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}
