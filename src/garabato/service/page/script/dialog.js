// A dialog with a form: closes once what it is for has worked, and says why where it has not.

import {element} from "./dom.js";

/** {title, content, deed, submit}: `submit(FormData)` may reject, its message is shown. */
export function formDialog({title, content, deed, submit}) {
  const problem = element("p", {class: "trouble", role: "alert", hidden: true});
  const close = () => dialog.close();
  const act = element("button", {class: "deed main-deed"}, deed);
  const form = element(
    "form",
    {method: "dialog"},
    element("h2", {id: "dialog-title"}, title),
    ...content,
    problem,
    element(
      "div",
      {class: "deeds"},
      element("button", {type: "button", class: "deed", onclick: close}, "Cancel"),
      act,
    ),
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    act.disabled = true;
    try {
      await submit(new FormData(form));
      close();
    } catch (error) {
      problem.hidden = false;
      problem.textContent = error.message;
      act.disabled = false;
    }
  });
  const dialog = element("dialog", {"aria-labelledby": "dialog-title", onclose: () => dialog.remove()}, form);
  document.body.append(dialog);
  dialog.showModal();
}
