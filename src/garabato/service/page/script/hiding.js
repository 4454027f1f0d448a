// Hide a drawing: it leaves everything that shows it at once. Or report it, where one may not.

import {can, hide, report} from "./api.js";
import {element} from "./dom.js";
import {formDialog} from "./dialog.js";
import {toast} from "./notices.js";
import {picture} from "./picture.js";

const REASONS = ["Inappropriate", "Not what it says", "Something else"];
const HIDE = {
  title: "Hide this drawing?",
  about: "Nobody sees it in any result any more. An operator can bring it back.",
  deed: "Hide it",
  done: "Hidden. Thank you.",
};
const REPORT = {
  title: "Report this drawing?",
  about: "An operator looks at it and decides whether it is shown.",
  deed: "Report it",
  done: "Reported. Thank you.",
};
const listeners = new Set();

/** `listener(key_id)` is called for every drawing that is gone: hidden, or removed. */
export const onHidden = (listener) => listeners.add(listener);

export function isGone(keyId) {
  for (const listener of listeners) listener(keyId);
}

/** Ask for a reason, then hide, or report to who may. */
export function askToHide(hit) {
  const words = can.hide ? HIDE : REPORT;
  const choices = REASONS.map((reason, i) =>
    element(
      "label",
      {},
      element("input", {type: "radio", name: "reason", value: reason, checked: i === 0}),
      reason,
    ),
  );
  formDialog({
    title: words.title,
    content: [
      picture(hit.drawing),
      element("p", {}, words.about),
      element("fieldset", {class: "choices"}, element("legend", {class: "unseen"}, "Why"), ...choices),
    ],
    deed: words.deed,
    async submit(form) {
      await (words === HIDE ? hide : report)(hit.key_id, form.get("reason"));
      if (words === HIDE) isGone(hit.key_id);
      toast(words.done);
    },
  });
}
