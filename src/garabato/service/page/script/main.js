// Start: set up the views, follow the address, wait for the gallery.

import {can, categories} from "./api.js";
import {enterCategory} from "./category.js";
import {byId, element} from "./dom.js";
import {drawingIsReady, enterDrawing, offer, setUpDrawing} from "./draw.js";
import {enterExplore} from "./explore.js";
import {trouble} from "./notices.js";
import {enterOperator} from "./operator.js";
import {untilReady} from "./readiness.js";
import {follow} from "./routes.js";

const RETRY_MS = 1500;

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
drawingIsReady();
const known = await whenCounted();
const names = new Set([...known.categories.map(({category}) => category), ...known.known]);
byId("category-names").append(...[...names].map((value) => element("option", {value})));
offer(known);

/** What the gallery holds: known some time after the first answers where it is large. */
async function whenCounted() {
  for (;;) {
    try {
      return await categories();
    } catch (error) {
      if (error.status !== 503) trouble(error.message);
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}
