// Short messages at the foot of the page, and words for screen readers.

import {byId, element} from "./dom.js";

const SHOWN_MS = 7000;

/** Say something for a while; with `deed` = {label, act} a way to take it back. */
export function toast(text, deed) {
  const box = element("div", {class: "toast"}, element("span", {}, text));
  const close = () => box.remove();
  if (deed) {
    const act = () => {
      close();
      deed.act();
    };
    box.append(element("button", {type: "button", class: "plain", onclick: act}, deed.label));
  }
  byId("toasts").append(box);
  setTimeout(close, SHOWN_MS);
}

let timer = 0;

/** Read out by screen readers when things have been quiet for a moment. */
export function speak(text, delayMs = 900) {
  clearTimeout(timer);
  timer = setTimeout(() => (byId("spoken").textContent = text), delayMs);
}

/** What went wrong, above the results; nothing takes it away again. */
export function trouble(text) {
  const box = byId("trouble");
  box.hidden = !text;
  box.textContent = text ?? "";
}
