// What was added from this browser, so that it can be removed again; all tabs agree on it.

import {remove} from "./api.js";
import {isGone} from "./hiding.js";
import {toast} from "./notices.js";

const KEY = "garabato.mine";
/** Enough for a list on a page; older ones stay in the gallery, only not in this list. */
const MAX_KEPT = 120;
const listeners = new Set();

/** [{key_id, category, drawing}], the latest first. */
export function mine() {
  try {
    return JSON.parse(localStorage.getItem(KEY)) ?? [];
  } catch {
    return [];
  }
}

export const isMine = (keyId) => mine().some((one) => one.key_id === keyId);

export function onMine(listener) {
  listeners.add(listener);
  listener(mine());
}

export const remember = (one) => keep([one, ...mine()].slice(0, MAX_KEPT));

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
  keep(mine().filter((one) => one.key_id !== keyId));
  isGone(keyId);
  toast("Removed from the gallery.");
}

function keep(list) {
  localStorage.setItem(KEY, JSON.stringify(list));
  tell();
}

function tell() {
  for (const listener of listeners) listener(mine());
}

addEventListener("storage", (event) => {
  if (event.key === KEY) tell();
});
