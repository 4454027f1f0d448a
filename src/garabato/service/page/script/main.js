// Start: set up the views, follow the address, wait for the gallery.

import {can, categories} from "./api.js";
import {enterCategory} from "./category.js";
import {byId, element} from "./dom.js";
import {drawingIsReady, enterDrawing, offer, setUpDrawing} from "./draw.js";
import {enterExplore} from "./explore.js";
import {trouble} from "./notices.js";
import {enterOperator} from "./operator.js";
import {gettingReady} from "./readiness.js";
import {follow} from "./routes.js";

const RETRY_MS = 1500;

for (const link of document.querySelectorAll("[data-view=operator]")) link.hidden = !can.report;
setUpDrawing();
const {ready, counted} = gettingReady();
follow({
  draw: enterDrawing,
  explore: () => enterExplore(counted),
  category: ({argument}) => enterCategory(argument, counted),
  operator: () => enterOperator(ready),
});
await ready;
drawingIsReady();
await counted;
const known = await whatThereIs();
const names = new Set([...known.categories.map(({category}) => category), ...known.known]);
byId("category-names").append(...[...names].map((value) => element("option", {value})));
offer(known);

/** What the gallery holds; asked for until it is told. */
async function whatThereIs() {
  for (;;) {
    try {
      return await categories();
    } catch (error) {
      trouble(error.message);
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}
