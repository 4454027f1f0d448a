// Files as queries: dropped on the page, pasted, or opened.

/** Pasted text may be an SVG or ndjson. */
const DRAWING_TEXT = /^\s*[<{[]/;

/** Call `take(file)` for each file dropped, pasted or chosen in `input`. */
export function takeFiles(input, take) {
  const receive = (event, transfer) => {
    const file = contentOf(transfer);
    if (!file) return;
    event.preventDefault();
    take(file);
  };
  input.addEventListener("change", () => {
    if (input.files.length) take(input.files[0]);
    input.value = "";
  });
  addEventListener("paste", (event) => event.target.matches("input") || receive(event, event.clipboardData));
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
    receive(event, event.dataTransfer);
  });
}

function contentOf(transfer) {
  if (transfer.files.length) return transfer.files[0];
  const text = transfer.getData("text/plain");
  if (!DRAWING_TEXT.test(text)) return null;
  const [name, type] = text.trimStart().startsWith("<") ? ["pasted.svg", "image/svg+xml"] : ["pasted.ndjson", ""];
  return new File([text], name, {type});
}
