// Changes to the gallery: add a drawing, remove your own, hide or report somebody else's.

import {add, can, gallery, hide, remove, report} from "./api.js";
import {element, formDialog, kept, textInput, toast} from "./dom.js";
import {picture} from "./picture.js";

const KEY = gallery === null ? "garabato.mine" : `garabato.mine.${gallery}`;
/** Older drawings stay in the gallery but leave this list. */
const MAX_KEPT = 120;
const REASONS = ["Inappropriate", "Wrong category", "Something else"];
const HIDE = {
  title: "Hide this drawing?",
  about: "It disappears from everyone’s results. An operator can restore it.",
  action: "Hide it",
  done: "Hidden. Thank you.",
};
const REPORT = {
  title: "Report this drawing?",
  about: "An operator will decide whether it stays visible.",
  action: "Report it",
  done: "Reported. Thank you.",
};

const mineListeners = new Set();

/** Drawings added from this browser, in any tab: [{key_id, category, drawing}], latest first. */
const store = kept("localStorage", KEY);
let mine = store.get([]);

export const isMine = (keyId) => mine.some((one) => one.key_id === keyId);

/** Call `listener(mine)` now and after every change. */
export function onMine(listener) {
  mineListeners.add(listener);
  listener(mine);
}

/** Remove a drawing that was added from this browser. */
export async function removeMine(keyId) {
  try {
    await remove(keyId);
  } catch (error) {
    if (error.status !== 404) return toast(error.message);
  }
  keep(store.get(mine).filter((one) => one.key_id !== keyId));
  announceGone(keyId);
  toast("Removed from the gallery.");
}

/** Show the list, and keep as many of the latest as the storage has room for. */
function keep(list) {
  let n = list.length;
  while (!store.set(list.slice(0, n)) && n) n >>= 1;
  announceMine(list);
}

function announceMine(list) {
  mine = list;
  for (const listener of mineListeners) listener(mine);
}

addEventListener("storage", (event) => {
  if (event.key === KEY) announceMine(store.get([]));
});

/** Ask for a category (suggesting `guess`), then add {drawing, traced} to the gallery. */
export function askToAdd(drawn, guess) {
  const input = textInput({name: "category", list: "category-names", value: guess ?? ""});
  formDialog({
    title: "Add it to the gallery",
    content: [
      picture(drawn.drawing),
      element("label", {class: "field"}, element("span", {}, "What is it?"), input),
      element("p", {class: "quiet"}, "Everyone who uses this gallery can find it. You can remove it again."),
    ],
    action: "Add it",
    async submit(form) {
      const category = form.get("category").trim() || null;
      const key_id = await add({...drawn, category});
      keep([{key_id, category, ...drawn}, ...store.get(mine)].slice(0, MAX_KEPT));
      toast("Added.", {label: "Undo", act: () => removeMine(key_id)});
    },
  });
  input.select();
}

/** Dispatch "gone": this drawing has been hidden or removed. */
export const announceGone = (keyId) => dispatchEvent(new CustomEvent("gone", {detail: keyId}));

/** Ask for a reason, then hide the drawing, or report it where visitors may not hide. */
export function askToHide(hit) {
  const words = can.hide ? HIDE : REPORT;
  const choices = REASONS.map((value, i) =>
    element("label", {}, element("input", {type: "radio", name: "reason", value, checked: i === 0}), value),
  );
  formDialog({
    title: words.title,
    content: [
      picture(hit.drawing),
      element("p", {}, words.about),
      element("fieldset", {class: "choices"}, element("legend", {class: "unseen"}, "Why"), ...choices),
    ],
    action: words.action,
    async submit(form) {
      await (words === HIDE ? hide : report)(hit.key_id, form.get("reason"));
      if (words === HIDE) announceGone(hit.key_id);
      toast(words.done);
    },
  });
}
