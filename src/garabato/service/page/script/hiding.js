// Hide or report a drawing: it leaves everything that shows it at once.

import {hide} from "./api.js";
import {element} from "./dom.js";
import {formDialog} from "./dialog.js";
import {toast} from "./notices.js";
import {picture} from "./picture.js";

const REASONS = ["Inappropriate", "Not what it says", "Something else"];
const listeners = new Set();

/** `listener(key_id)` is called for every drawing that is gone: hidden, or removed. */
export const onHidden = (listener) => listeners.add(listener);

export function isGone(keyId) {
  for (const listener of listeners) listener(keyId);
}

/** Ask for a reason, then hide. */
export function askToHide(hit) {
  const choices = REASONS.map((reason, i) =>
    element(
      "label",
      {},
      element("input", {type: "radio", name: "reason", value: reason, checked: i === 0}),
      reason,
    ),
  );
  formDialog({
    title: "Hide this drawing?",
    content: [
      picture(hit.drawing),
      element("p", {}, "Nobody sees it in any result any more. An operator can bring it back."),
      element("fieldset", {class: "choices"}, element("legend", {class: "unseen"}, "Why"), ...choices),
    ],
    deed: "Hide it",
    async submit(form) {
      await hide(hit.key_id, form.get("reason"));
      isGone(hit.key_id);
      toast("Hidden. Thank you.");
    },
  });
}
