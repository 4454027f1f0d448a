// The operator's view: reported and hidden drawings.

import {can, dismissReports, hidden, hide, readiness, reported, restore, setToken, token} from "./api.js";
import {block} from "./category.js";
import {announceGone} from "./changes.js";
import {button, byId, element, toast} from "./dom.js";
import {drawings, nameOf} from "./format.js";
import {picture} from "./picture.js";

let visits = 0;

export async function enterOperator(ready) {
  const visit = ++visits;
  document.title = "Hidden drawings: garabato";
  const note = element("p", {class: "quiet"});
  const head = element("header", {}, element("h1", {id: "operator-title"}, "Hidden drawings"), note);
  byId("operator").replaceChildren(head, tokenForm());
  try {
    await ready;
    if (!can.change) {
      note.textContent = "Enter the operator’s token to see hidden drawings.";
      return;
    }
    const [reports, gone] = await Promise.all([reported(), hidden()]);
    if (visit !== visits) return;
    note.textContent = gone.length
      ? `${drawings(gone.length)} hidden from all results.`
      : "No drawing is hidden.";
    const sections = [element("ul", {class: "hits"}, ...gone.map(hiddenCard))];
    if (reports.length) sections.unshift(reportedBlock(reports));
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
    // password managers need a user name
    element("input", {type: "text", value: "operator", autocomplete: "username", hidden: true}),
    element("label", {class: "field"}, element("span", {}, "Token (kept until you close this tab)"), input),
    element("button", {class: "action"}, "Use it"),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    setToken(input.value);
    enterOperator(readiness());
  });
  return form;
}

function reportedBlock(reports) {
  const list = element("ul", {class: "hits"}, ...reports.map(reportedCard));
  return block("Reported", `${drawings(reports.length)} reported by visitors.`, list);
}

function hiddenCard(one) {
  const words = [nameOf(one), one.reason].filter(Boolean).join(": ");
  const restoreIt = async () => {
    await restore(one.key_id);
    toast(`The ${nameOf(one)} is visible again.`);
  };
  return card(one, words, {Restore: restoreIt});
}

function reportedCard(one) {
  const times = one.n_reports === 1 ? "once" : `${one.n_reports} times`;
  const hideIt = async () => {
    await hide(one.key_id, one.reason);
    announceGone(one.key_id);
  };
  const actions = {Hide: hideIt, Keep: () => dismissReports(one.key_id)};
  return card(one, [nameOf(one), one.reason, times].filter(Boolean).join(", "), actions);
}

/** A card with a button for each action: {"Restore": () => ...}. */
function card(one, words, actions) {
  const buttons = Object.entries(actions).map(([label, act]) => {
    const onclick = async ({currentTarget: pressed}) => {
      pressed.disabled = true;
      await act().catch((error) => toast(error.message));
      enterOperator();
    };
    return button({class: "action", "aria-label": `${label} this ${nameOf(one)}`, onclick}, label);
  });
  const look = element("div", {class: "look"}, picture(one.drawing ?? []));
  return element("li", {class: "hit", "data-key": one.key_id}, look, element("p", {class: "quiet"}, words), ...buttons);
}
