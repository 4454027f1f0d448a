// DOM elements without a framework, dialogs and messages: element("a", {href: "#/"}, "Draw").

const SVG = "http://www.w3.org/2000/svg";

export function element(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

/** One of the icons at the end of index.html. */
export function icon(name) {
  return svg("svg", {"aria-hidden": "true"}, svg("use", {href: `#i-${name}`}));
}

export const byId = (id) => document.getElementById(id);

export const motionAllowed = () => !matchMedia("(prefers-reduced-motion: reduce)").matches;

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child != null));
  return node;
}

/** Show a dialog with a form. It closes once `submit(FormData)` succeeds; a rejection is shown in it. */
export function formDialog({title, content, action, submit}) {
  const error = element("p", {class: "error", role: "alert", hidden: true});
  const close = () => dialog.close();
  const act = element("button", {class: "action main-action"}, action);
  const form = element(
    "form",
    {method: "dialog"},
    element("h2", {id: "dialog-title"}, title),
    ...content,
    error,
    element(
      "div",
      {class: "actions"},
      element("button", {type: "button", class: "action", onclick: close}, "Cancel"),
      act,
    ),
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    act.disabled = true;
    try {
      await submit(new FormData(form));
      close();
    } catch ({message}) {
      error.hidden = false;
      error.textContent = message;
      act.disabled = false;
    }
  });
  const dialog = element("dialog", {"aria-labelledby": "dialog-title", onclose: () => dialog.remove()}, form);
  document.body.append(dialog);
  dialog.showModal();
}

const SHOWN_MS = 7000;

/** Show a short message; `undo` = {label, act} adds a button. */
export function toast(text, undo) {
  const box = element("div", {class: "toast"}, element("span", {}, text));
  const close = () => box.remove();
  if (undo) {
    const act = () => {
      close();
      undo.act();
    };
    box.append(element("button", {type: "button", class: "plain", onclick: act}, undo.label));
  }
  byId("toasts").append(box);
  setTimeout(close, SHOWN_MS);
}

let timer = 0;

/** Let screen readers announce `text` after `delayMs` without another announcement. */
export function speak(text, delayMs = 900) {
  clearTimeout(timer);
  timer = setTimeout(() => (byId("spoken").textContent = text), delayMs);
}

/** Show an error above the results; null removes it. */
export function showError(text) {
  const box = byId("error");
  box.hidden = !text;
  box.textContent = text ?? "";
}
