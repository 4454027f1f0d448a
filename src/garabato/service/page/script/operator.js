// For the operator: what has been reported, what has been hidden, why, and how to bring it back.

import {can, forget, hidden, hide, readiness, reported, restore} from "./api.js";
import {byId, element} from "./dom.js";
import {isGone} from "./hiding.js";
import {toast} from "./notices.js";
import {picture} from "./picture.js";
import {setToken, token} from "./token.js";
import {drawings} from "./words.js";

export async function enterOperator(ready) {
  document.title = "Hidden drawings: garabato";
  const note = element("p", {class: "quiet"});
  const head = element("header", {}, element("h1", {id: "operator-title"}, "Hidden drawings"), note);
  byId("operator").replaceChildren(head, tokenForm());
  try {
    await ready;
    if (!can.change) {
      note.textContent = "This server asks for the operator’s token.";
      return;
    }
    const [told, gone] = await Promise.all([reported(), hidden()]);
    note.textContent = gone.length
      ? `${drawings(gone.length)} taken out of all results.`
      : "Nothing is hidden.";
    const sections = [element("ul", {class: "hits"}, ...gone.map(hiddenCard))];
    if (told.length) sections.unshift(reportedBlock(told));
    byId("operator").append(...sections);
  } catch (error) {
    note.textContent = error.message;
  }
}

function tokenForm() {
  const input = element("input", {type: "password", name: "token", value: token(), autocomplete: "current-password"});
  const form = element(
    "form",
    {class: "token"},
    // for password managers, which want to know whose token it is
    element("input", {type: "text", value: "operator", autocomplete: "username", hidden: true}),
    element("label", {class: "field"}, element("span", {}, "Token, kept until this tab is closed"), input),
    element("button", {class: "deed"}, "Use it"),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    setToken(input.value.trim());
    enterOperator(readiness());
  });
  return form;
}

function reportedBlock(told) {
  const list = element("ul", {class: "hits"}, ...told.map(reportedCard));
  const note = `${drawings(told.length)} that visitors say should not be shown.`;
  const head = element("div", {}, element("h2", {}, "Reported"), element("p", {class: "quiet"}, note));
  return element("section", {class: "block"}, head, list);
}

function hiddenCard(one) {
  const words = [nameOf(one), one.reason].filter(Boolean).join(": ");
  const bringBack = async () => {
    await restore(one.key_id);
    toast(`The ${nameOf(one)} is back.`);
  };
  return card(one, words, {Restore: bringBack});
}

function reportedCard(one) {
  const times = one.n_reports === 1 ? "once" : `${one.n_reports} times`;
  const hideIt = async () => {
    await hide(one.key_id, one.reason);
    isGone(one.key_id);
  };
  const deeds = {Hide: hideIt, Keep: () => forget(one.key_id)};
  return card(one, [nameOf(one), one.reason, times].filter(Boolean).join(", "), deeds);
}

/** A drawing and what may be done with it: {"Restore": () => ...}. */
function card(one, words, deeds) {
  const buttons = Object.entries(deeds).map(([label, deed]) => {
    const onclick = async () => {
      await deed().catch((error) => toast(error.message));
      enterOperator();
    };
    return element("button", {type: "button", class: "deed", "aria-label": `${label} this ${nameOf(one)}`, onclick}, label);
  });
  const look = element("div", {class: "look"}, picture(one.drawing ?? []));
  return element("li", {class: "hit", "data-key": one.key_id}, look, element("p", {class: "quiet"}, words), ...buttons);
}

const nameOf = (one) => one.category ?? "no category";
