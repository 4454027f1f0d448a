// DOM elements without a framework, dialogs and messages: element("a", {href: "#/"}, "Draw").

const SVG = "http://www.w3.org/2000/svg";

export function element(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

export const button = (attributes, ...children) => element("button", {type: "button", ...attributes}, ...children);

export const textInput = (attributes) =>
  element("input", {type: "text", maxlength: 100, autocomplete: "off", autocapitalize: "none", ...attributes});

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

/** Show a dialog with a form. It closes when `submit(FormData)` succeeds and shows the error if it fails. */
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
    element("div", {class: "actions"}, button({class: "action", onclick: close}, "Cancel"), act),
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    act.disabled = true;
    try {
      await submit(new FormData(form));
      close();
    } catch ({message}) {
      showError(message, error);
      act.disabled = false;
    }
  });
  const dialog = openDialog({"aria-labelledby": "dialog-title"}, form);
}

/** Open a modal dialog, which removes itself when it is closed. */
export function openDialog(attributes, ...content) {
  const dialog = element("dialog", {...attributes, onclose: () => dialog.remove()}, ...content);
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

const SHOWN_MS = 7000;

/** Show a short message; `undo` = {label, act} adds a button. */
export function toast(text, undo) {
  const box = element("div", {class: "toast"}, element("span", {}, text));
  const close = () => box.remove();
  if (undo) {
    const onclick = () => {
      close();
      undo.act();
    };
    box.append(button({class: "plain", onclick}, undo.label));
  }
  byId("toasts").append(box);
  setTimeout(close, SHOWN_MS);
}

let timer = 0;

/** Announce `text` to screen readers, unless another announcement follows within `delayMs`. */
export function speak(text, delayMs = 900) {
  clearTimeout(timer);
  timer = setTimeout(() => (byId("spoken").textContent = text), delayMs);
}

/** What "localStorage" or "sessionStorage" keeps under a key. Browsers may refuse both. */
export const kept = (storage, key) => ({
  /** `fallback` if there is nothing readable. */
  get(fallback) {
    try {
      return JSON.parse(window[storage].getItem(key)) ?? fallback;
    } catch {
      return fallback;
    }
  },
  /** Returns whether there was room. */
  set(value) {
    try {
      window[storage].setItem(key, JSON.stringify(value));
      return true;
    } catch {
      return false;
    }
  },
});

/** Show an error, above the results by default; null removes it. */
export function showError(text, box = byId("error")) {
  box.hidden = !text;
  box.textContent = text;
}
