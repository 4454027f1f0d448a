// What was added from this browser, so that it can be removed again; all tabs agree on it.

import {remove} from "./api.js";
import {isGone} from "./hiding.js";
import {toast} from "./notices.js";

const KEY = "garabato.mine";
/** Enough for a list on a page; older ones stay in the gallery, only not in this list. */
const MAX_KEPT = 120;
const listeners = new Set();

/** [{key_id, category, drawing}], the latest first. */
let mine = read();

export const isMine = (keyId) => mine.some((one) => one.key_id === keyId);

/** `listener(mine)` is called now and after every change. */
export function onMine(listener) {
  listeners.add(listener);
  listener(mine);
}

export const remember = (one) => keep([one, ...read()].slice(0, MAX_KEPT));

/** Take a drawing that was added here out of the gallery. */
export async function removeMine(keyId) {
  try {
    await remove(keyId);
  } catch (error) {
    if (error.status !== 404) {
      toast(error.message);
      return;
    }
  }
  keep(read().filter((one) => one.key_id !== keyId));
  isGone(keyId);
  toast("Removed from the gallery.");
}

function keep(list) {
  localStorage.setItem(KEY, JSON.stringify(list));
  tell();
}

function read() {
  try {
    return JSON.parse(localStorage.getItem(KEY)) ?? [];
  } catch {
    return [];
  }
}

function tell() {
  mine = read();
  for (const listener of listeners) listener(mine);
}

addEventListener("storage", (event) => {
  if (event.key === KEY) tell();
});
