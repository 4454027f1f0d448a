// Start: set up the views, follow the address, wait for the gallery.

import {can, categories, galleries, gallery} from "./api.js";
import {enterCategory} from "./category.js";
import {byId, element, showError} from "./dom.js";
import {drawingIsReady, enterDrawing, keepDrawing, offer, setUpDrawing} from "./draw.js";
import {enterExplore} from "./explore.js";
import {enterOperator} from "./operator.js";
import {watchReadiness} from "./readiness.js";
import {follow} from "./routes.js";

const RETRY_MS = 1500;
/** Views of any gallery; a category may be in one only. */
const STAYS = /^#\/(explore|operator)$/;

for (const link of document.querySelectorAll("[data-view=operator]")) link.hidden = !can.report;
setUpDrawing();
const {ready, counted} = watchReadiness();
follow({
  draw: enterDrawing,
  explore: () => enterExplore(counted),
  category: ({argument}) => enterCategory(argument, counted),
  operator: () => enterOperator(ready),
});
ready.then(() => {
  drawingIsReady();
  offerGalleries();
});
await counted;
const known = await untilLoaded(categories);
const names = new Set([...known.categories.map(({category}) => category), ...known.known]);
byId("category-names").append(...[...names].map((value) => element("option", {value})));
offer(known);

/** What `load` resolves to, retried until the server responds. */
async function untilLoaded(load) {
  for (let failed = false; ; failed = true) {
    try {
      const loaded = await load();
      if (failed) showError(null);
      return loaded;
    } catch (error) {
      showError(error.message);
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

/** A choice in the header, if there are several galleries. It reloads the page; the drawing stays. */
async function offerGalleries() {
  const listed = await untilLoaded(galleries);
  if (listed.length < 2) return;
  const choice = byId("galleries");
  choice.append(...listed.map(({name}) => element("option", {value: name}, name)));
  choice.value = gallery ?? listed[0].name;
  choice.hidden = false;
  choice.addEventListener("change", () => {
    keepDrawing();
    const query = choice.value === listed[0].name ? "" : `?gallery=${encodeURIComponent(choice.value)}`;
    location.href = location.pathname + query + (STAYS.test(location.hash) ? location.hash : "#/");
  });
}
