// For the operator: what has been hidden, why, and how to bring it back.

import {hidden, restore} from "./api.js";
import {byId, element} from "./dom.js";
import {toast} from "./notices.js";
import {picture} from "./picture.js";
import {setToken, token} from "./token.js";
import {drawings} from "./words.js";

export async function enterOperator() {
  document.title = "Hidden drawings: garabato";
  const note = element("p", {class: "quiet"});
  const list = element("ul", {class: "hits"});
  const head = element("header", {}, element("h1", {id: "operator-title"}, "Hidden drawings"), note);
  byId("operator").replaceChildren(head, tokenForm(), list);
  try {
    const gone = await hidden();
    note.textContent = gone.length
      ? `${drawings(gone.length)} taken out of all results.`
      : "Nothing is hidden.";
    list.append(...gone.map(card));
  } catch (error) {
    const asksForToken = error.status === 401 || error.status === 403;
    note.textContent = asksForToken ? "This server asks for the operator’s token." : error.message;
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
    enterOperator();
  });
  return form;
}

function card(one) {
  const name = one.category ?? "no category";
  const bringBack = async () => {
    try {
      await restore(one.key_id);
      toast(`The ${name} is back.`);
    } catch (error) {
      toast(error.message);
    }
    enterOperator();
  };
  const look = element("div", {class: "look"}, picture(one.drawing ?? []));
  const words = element("p", {class: "quiet"}, [name, one.reason].filter(Boolean).join(": "));
  const button = element("button", {type: "button", class: "deed", "aria-label": `Restore this ${name}`, onclick: bringBack}, "Restore");
  return element("li", {class: "hit", "data-key": one.key_id}, look, words, button);
}
