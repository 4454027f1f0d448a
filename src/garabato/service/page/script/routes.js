// Views by URL fragment: #/explore, #/category/cat, #d=... (a shared drawing).

const VIEWS = ["draw", "explore", "category", "operator"];

export const categoryLink = (name) => `#/category/${encodeURIComponent(name)}`;

/** {view, argument} of a fragment; unknown fragments lead to the drawing view. */
function route(fragment = location.hash) {
  if (fragment.startsWith("#d=")) return {view: "draw", shared: fragment.slice(3)};
  const [, view, argument] = /^#\/([a-z]*)\/?(.*)$/.exec(fragment) ?? [];
  if (!VIEWS.includes(view)) return {view: "draw"};
  try {
    return {view, argument: decodeURIComponent(argument)};
  } catch {
    return {view, argument};
  }
}

/** Show the view of the current fragment, now and on every change, and call `enter[view](route)`. */
export function follow(enter) {
  const show = () => {
    const current = route();
    for (const view of VIEWS) {
      document.getElementById(view).hidden = view !== current.view;
      for (const link of document.querySelectorAll(`[data-view="${view}"]`)) {
        link.ariaCurrent = view === current.view ? "page" : null;
      }
    }
    enter[current.view](current);
  };
  const main = document.getElementById("main");
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault(); // its fragment is no view
    main.focus();
  });
  addEventListener("hashchange", () => {
    document.querySelector("dialog")?.close();
    show();
    if (route().view !== "draw") main.focus({preventScroll: true});
    scrollTo(0, 0);
  });
  show();
}
