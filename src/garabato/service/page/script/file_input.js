// Files as queries: dropped on the page, pasted, or opened.

import {drawingFromFile} from "./api.js";
import {showError} from "./dom.js";

/** Pasted text may be an SVG or ndjson. */
const DRAWING_TEXT = /^\s*[<{[]/;

/** Call `take({drawing, traced})` for each file dropped, pasted or chosen in `input`. */
export function takeFiles(input, take) {
  let latest = null;
  const receive = async (file) => {
    if (!file) return;
    latest = file;
    const [found, error] = await drawingFromFile(file).then((found) => [found, null], ({message}) => [null, message]);
    if (file !== latest) return; // a later one is on the pad
    if (found) take(found);
    showError(error);
  };
  input.addEventListener("change", async () => {
    await receive(input.files[0]);
    input.value = "";
  });
  addEventListener("paste", (event) => {
    if (event.target.matches("input")) return;
    const file = contentOf(event.clipboardData);
    if (!file) return;
    event.preventDefault();
    receive(file);
  });
  addEventListener("dragover", (event) => {
    if (!event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    document.body.classList.add("dropping");
  });
  addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) document.body.classList.remove("dropping");
  });
  addEventListener("drop", (event) => {
    document.body.classList.remove("dropping");
    const file = contentOf(event.dataTransfer);
    if (!file) return;
    event.preventDefault();
    receive(file);
  });
}

function contentOf(transfer) {
  if (transfer.files.length) return transfer.files[0];
  const text = transfer.getData("text/plain");
  if (!DRAWING_TEXT.test(text)) return null;
  const [name, type] = text.trimStart().startsWith("<") ? ["pasted.svg", "image/svg+xml"] : ["pasted.ndjson", ""];
  return new File([text], name, {type});
}
