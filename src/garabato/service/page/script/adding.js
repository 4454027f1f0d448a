// Add the drawing on the sheet to the gallery, with a category.

import {add} from "./api.js";
import {formDialog} from "./dialog.js";
import {element} from "./dom.js";
import {remember, removeMine} from "./mine.js";
import {toast} from "./notices.js";
import {picture} from "./picture.js";

/** `guess` is offered as its category. */
export function askToAdd(drawing, guess) {
  const input = element("input", {
    type: "text",
    name: "category",
    list: "category-names",
    value: guess ?? "",
    maxlength: 100,
    autocomplete: "off",
    autocapitalize: "none",
  });
  formDialog({
    title: "Add it to the gallery",
    content: [
      picture(drawing),
      element("label", {class: "field"}, element("span", {}, "What is it?"), input),
      element("p", {class: "quiet"}, "Found by everybody who uses this gallery. You can remove it again."),
    ],
    deed: "Add it",
    async submit(form) {
      const category = form.get("category").trim() || null;
      const key_id = await add(drawing, category);
      remember({key_id, category, drawing});
      toast("Added.", {label: "Undo", act: () => removeMine(key_id)});
    },
  });
  input.select();
}
