"""The npm package `garabato`, as `npm pack` makes it, in a real browser."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pens import draw, touch
from sketches import SKETCH_CATEGORIES, make_drawings, sketch

from garabato import export_web
from garabato.drawing import Drawing
from garabato.formats import read_drawings
from garabato.gallery import open_gallery
from garabato.gallery.explore import category_votes, search_with_names

playwright_api = pytest.importorskip(
    "playwright.sync_api", reason="the npm package is tested with: pip install playwright"
)
pytest.importorskip("onnxruntime")

PACKAGE = Path(__file__).resolve().parents[2] / "packages" / "garabato"
TIMEOUT_MS = 90_000
playwright_api.expect.set_options(timeout=TIMEOUT_MS)
MODULES = {
    "encoder",
    "gallery",
    "garabato",
    "index",
    "live_search",
    "names",
    "pad",
    "pad_element",
    "render",
    "sketch",
    "strokes",
    "worker",
}
FILES = (
    {f"dist/{name}.js" for name in MODULES}
    | {"dist/index.d.ts", "dist/pad_element.d.ts"}
    | {"examples/icon-picker.html", "examples/draw-a-symbol.html"}
    | {"package.json", "README.md", "LICENSE"}
)
CREATE = """async ([module, gallery]) => {
  window.library = await import(module);
  window.garabato = await library.Garabato.create({gallery});
}"""


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive that `npm pack` writes."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed")
    folder = tmp_path_factory.mktemp("npm")
    command = [npm, "pack", "--json", "--pack-destination", str(folder)]
    subprocess.run(command, cwd=PACKAGE, check=True, capture_output=True)
    return next(folder.glob("garabato-*.tgz"))


@pytest.fixture(scope="module")
def origin(host: tuple[Path, int], packed: Path) -> str:
    """A static host with the package at /package and an exported page at /page."""
    folder, port = host
    with tarfile.open(packed) as archive:
        archive.extractall(folder, filter="data")
    html = "<!doctype html><title>Pad</title><garabato-pad></garabato-pad>"
    (folder / "pad.html").write_text(html)
    return f"http://127.0.0.1:{port}"


@pytest.fixture
def page(browser: Any, origin: str) -> Iterator[Any]:
    """A page with nothing but the package's custom element."""
    context = browser.new_context(has_touch=True)
    page = context.new_page()
    page.set_default_timeout(TIMEOUT_MS)
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{origin}/pad.html")
    yield page
    context.close()
    assert not complaints


def create(page: Any, origin: str, *, library: str | None = None) -> None:
    """Load the package and the gallery; `garabato` in the page answers from then on."""
    page.evaluate(CREATE, [f"{library or origin}/package/dist/index.js", f"{origin}/page"])


def test_npm_pack_has_the_modules_types_examples_and_licence(packed):
    with tarfile.open(packed) as archive:
        names = {member.name.removeprefix("package/") for member in archive if member.isfile()}
        about = json.load(archive.extractfile("package/package.json"))
    assert names == FILES
    assert about["license"] == "MIT"
    for entry in about["exports"].values():
        assert {path.removeprefix("./") for path in entry.values()} <= names
    assert "dependencies" not in about


def test_scores_and_categories_are_those_of_python(page, origin, web_encoder, web_gallery):
    create(page, origin)
    drawings = make_drawings(SKETCH_CATEGORIES, 2, seed=8)
    check_answers(page, web_encoder, web_gallery, drawings)


def test_scores_and_categories_of_real_drawings_are_those_of_python(
    page, origin, web_encoder, web_gallery, quickdraw
):
    create(page, origin)
    files = sorted((quickdraw / "simplified").glob("*.ndjson"))[::7]
    drawings = [one for file in files for one in itertools.islice(read_drawings(file), 2)]
    assert len(drawings) > 90
    check_answers(page, web_encoder, web_gallery, drawings)


def check_answers(page: Any, encoder: Any, gallery: Any, drawings: list[Drawing]) -> None:
    answers = page.evaluate(
        """async (drawings) => {
          const answers = [];
          for (const drawing of drawings) {
            const hits = await garabato.search(drawing, {k: 49});
            answers.push({hits, ...(await garabato.classify(drawing))});
          }
          return answers;
        }""",
        [drawing.to_lists() for drawing in drawings],
    )
    expected = encoder.classify(drawings, 5)
    for row, embedding in enumerate(encoder.embed(drawings)):
        found, wanted = answers[row]["predictions"], expected[row]
        assert found[0]["category"] == wanted[0].category
        np.testing.assert_allclose(
            [one["probability"] for one in found], [one.probability for one in wanted], atol=1e-4
        )
        scores = {hit.key_id: hit.score for hit in gallery.search(embedding, len(gallery))}
        for hit in answers[row]["hits"]:
            assert hit["score"] == pytest.approx(scores[hit["key_id"]], abs=1e-4)
        ranked = [hit["score"] for hit in answers[row]["hits"]]
        assert len(ranked) == len(gallery)
        assert ranked == sorted(ranked, reverse=True)


def test_a_gallery_with_categories_of_its_own_votes_and_is_searched_by_name_as_in_python(
    page, origin, host, web_encoder, tmp_path
):
    gallery = open_gallery(tmp_path / "icons", encoder=web_encoder)
    drawings = [
        drawing.replace(category=f"{drawing.category} sign {number % 3}", title=title, tags=tags)
        for number, drawing in enumerate(make_drawings(SKETCH_CATEGORIES, 6, seed=3))
        for title, tags in [(("The Ladders", ()), (None, ("a house",)), ("off", ()))[number % 3]]
    ]
    gallery.add(drawings)
    export_web(web_encoder, host[0] / "icons", gallery=gallery)
    about = json.loads((host[0] / "icons" / "gallery" / "encoder.json").read_bytes())
    assert about["embedding_bits"] == 8
    page.evaluate(CREATE, [f"{origin}/package/dist/index.js", f"{origin}/icons"])
    moved = 0
    for query in make_drawings(SKETCH_CATEGORIES, 1, seed=8):
        found = page.evaluate("(d) => garabato.query(d, {k: 30})", query.to_lists())
        expected = search_with_names(gallery, query, web_encoder.classify(query), 30)
        scores = {hit.key_id: hit.score for hit in expected}
        matches = {hit.key_id: hit.name_match for hit in expected}
        for hit in found["hits"]:
            expected_score = scores.get(hit["key_id"], hit["score"])
            # the page's gallery holds embeddings of 8 bits
            assert hit["score"] == pytest.approx(expected_score, abs=5e-3)
            assert hit.get("name_match") == matches.get(hit["key_id"], hit.get("name_match"))
        assert len({hit["key_id"] for hit in found["hits"]} & scores.keys()) >= 25
        assert found["headline"] == "gallery"
        votes = category_votes(expected[:20])
        assert found["votes"][0]["share"] == pytest.approx(votes[0].share, abs=0.02)
        assert found["votes_unsure"] is (found["votes"][0]["share"] < 0.5)
        likeness = {hit.key_id: hit.score for hit in gallery.search(query, 30)}
        moved += sum(scores[key] > likeness.get(key, -1) + 0.01 for key in scores)
    assert moved > 10, "names count"


def test_among_limits_the_categories_and_bad_input_is_refused(page, origin, web_encoder):
    create(page, origin)
    drawing = sketch("house", 3).to_lists()
    said = page.evaluate(
        """async (drawing) => {
          const among = ["house", "barn", "house"];
          const {predictions} = await garabato.classify(drawing, {among});
          const refused = [
            garabato.classify(drawing, {among: ["cathode"]}),
            garabato.classify(drawing, {among: []}),
            garabato.search([]),
            garabato.search([[[1, 2], [1]]]),
            garabato.search([[[1, NaN], [1, 2]]]),
            garabato.search([[[1, 2], [1, 1e9]]]),
            garabato.search(drawing, {k: 0}),
            garabato.search([[1, 2], [3, 4]]),
            garabato.search(drawing, {where: {colour: "red"}}),
            garabato.list({text: 3}, 5),
            garabato.drawing("nobody's"),
            library.Garabato.create({gallery: "/package/dist"}),
            library.Garabato.create({gallery: "https://"}),
          ];
          const settled = await Promise.allSettled(refused);
          return {predictions, refused: settled.map(({reason}) => [reason.name, reason.message])};
        }""",
        drawing,
    )
    probabilities = {one["category"]: one["probability"] for one in said["predictions"]}
    assert probabilities.keys() == {"house", "barn"}
    assert sum(probabilities.values()) == pytest.approx(1, abs=1e-5)
    everything = {p.category: p.probability for p in web_encoder.classify(sketch("house", 3), 345)}
    ratio = everything["house"] / (everything["house"] + everything["barn"])
    assert probabilities["house"] == pytest.approx(ratio, abs=1e-4)
    wanted = (
        "does not know cathode",
        "`among` is empty",
        "has no strokes",
        "stroke 0 has 2 x and 1 y",
        "stroke 0 has a coordinate that is not a number within ±16777216",
        "stroke 0 has a coordinate that is not a number within ±16777216",
        "at least 1, not 0",
        "stroke 0 is not a pair of lists",
        "cannot be filtered by colour",
        "text is not a string",
        "nobody's",
        "there is no gallery at",
        "“https://” is not the URL of a gallery",
    )
    for (name, message), part in zip(said["refused"], wanted, strict=True):
        assert name == "GarabatoError"
        assert part in message


def test_a_gallery_of_mixed_files_or_of_another_encoder_is_refused(page, origin, host, exported):
    folder = host[0] / "mixed"
    shutil.copytree(exported / "gallery", folder)
    file = folder / "embeddings.bin.zst"
    embeddings = pa.CompressedInputStream(pa.OSFile(str(file)), "zstd").read()
    half = embeddings[: len(embeddings) // 2]
    file.write_bytes(pa.Codec("zstd").compress(half, asbytes=True))
    with pytest.raises(playwright_api.Error, match="mixes files of several exports"):
        page.evaluate(CREATE, [f"{origin}/package/dist/index.js", f"{origin}/mixed"])
    about = json.loads((folder / "encoder.json").read_bytes())
    about["embedding_dim"] //= 2
    folder = folder.rename(host[0] / "other")  # nothing of it is in the browser's cache
    (folder / "encoder.json").write_text(json.dumps(about))
    page.evaluate(CREATE, [f"{origin}/package/dist/index.js", f"{origin}/other"])
    with pytest.raises(playwright_api.Error, match="the gallery was made with another encoder"):
        page.evaluate("(d) => garabato.search(d)", sketch("house", 3).to_lists())


def test_a_gallery_is_found_without_a_failed_request(page, origin):
    failed: list[str] = []
    page.on("response", lambda response: failed.append(response.url) if not response.ok else None)
    create(page, origin)
    page.evaluate(CREATE, [f"{origin}/package/dist/index.js", f"{origin}/page/gallery"])
    assert failed == []


def test_a_bundle_without_the_worker_says_so(page, origin):
    page.route("**/worker.js", lambda route: route.fulfill(status=404))
    with pytest.raises(playwright_api.Error, match="did not load"):
        create(page, origin)


def test_a_bundler_may_leave_the_path_of_a_module_on_its_own_disk(page, origin):
    """Next.js does, but replaces the address of the worker by that of its own file."""

    def fulfill(route: Any) -> None:
        response = route.fetch()
        bundled = response.text().replace(
            "new URL(import.meta.url)", 'new URL("file:///app/garabato.js")'
        )
        assert bundled != response.text()
        route.fulfill(response=response, body=bundled)

    page.route("**/dist/garabato.js", fulfill)
    create(page, origin)
    hits = page.evaluate("(d) => garabato.search(d, {k: 3})", sketch("house", 3).to_lists())
    assert [hit["category"] for hit in hits] == ["house"] * 3


def test_servers_that_render_pages_may_import_the_package(host, origin):
    script = """
      await import("./pad_element.js");
      const {toSvg} = await import("./index.js");
      console.log(toSvg([[[0, 10], [0, 10]]], {lineWidth: 0}));
    """
    command = ["node", "--input-type=module", "--eval", script]
    dist = host[0] / "package" / "dist"
    done = subprocess.run(command, cwd=dist, capture_output=True, text=True, check=True)
    assert 'viewBox="0 0 10 10"' in done.stdout


def test_a_host_that_answers_every_address_with_a_page_has_no_gallery(page, origin, host):
    page.route("**/missing/**", lambda route: route.fulfill(body="<html>", status=200))
    with pytest.raises(playwright_api.Error, match="there is no gallery at"):
        page.evaluate(CREATE, [f"{origin}/package/dist/index.js", f"{origin}/missing"])


def test_a_page_may_take_the_package_and_the_gallery_from_another_origin(page, origin):
    create(page, origin.replace("127.0.0.1", "localhost"))
    page.evaluate("garabato.close()")
    create(page, origin, library=origin.replace("127.0.0.1", "localhost"))
    hits = page.evaluate("(d) => garabato.search(d, {k: 3})", sketch("house", 3).to_lists())
    assert [hit["category"] for hit in hits] == ["house"] * 3


PAD = "garabato-pad canvas"
EVENTS = """async ([module, gallery]) => {
  await import(module);
  const pad = document.querySelector("garabato-pad");
  window.seen = {change: [], hits: [], failure: []};
  for (const [name, details] of Object.entries(seen)) {
    pad.addEventListener(name, ({detail}) => details.push(detail));
  }
  const ready = new Promise((resolve) => pad.addEventListener("ready", resolve));
  pad.setAttribute("k", "5");
  pad.setAttribute("gallery", gallery);
  await ready;
}"""


def test_the_pad_takes_mouse_finger_and_keyboard_and_says_what_it_found(page, origin):
    page.evaluate(EVENTS, [f"{origin}/package/dist/pad_element.js", f"{origin}/page"])
    house = sketch("house", 3).normalised()
    draw(page, house, pad=PAD)
    wait(page, "seen.hits.at(-1)?.predictions[0]?.category === 'house'")
    hits = page.evaluate("seen.hits.at(-1).hits")
    assert [hit["category"] for hit in hits] == ["house"] * 5
    strokes = page.evaluate("seen.change.at(-1).strokes")
    assert len(strokes) == len(house.strokes)
    for mine, theirs in zip(strokes, house.strokes, strict=True):
        # the pad has a thousand units a side; the sketch covers 70% of it from 15% on
        starts = 150 + 700 * np.array([theirs[0][0], theirs[1][0]]) / 255
        assert [mine[0][0], mine[1][0]] == pytest.approx(starts, abs=4)

    page.get_by_role("button", name="Undo").click()
    assert page.evaluate("seen.change.at(-1).strokes.length") == len(house.strokes) - 1
    page.get_by_role("button", name="Clear").click()
    assert page.evaluate("seen.change.at(-1).strokes") == []
    assert page.evaluate("seen.hits.at(-1).hits") == []

    touch(page, sketch("ladder", 3), pad=PAD)
    wait(page, "seen.hits.at(-1).predictions[0]?.category === 'ladder'")

    page.keyboard.press("Control+z")  # the focus is on no pad: nothing happens
    page.locator(PAD).focus()
    page.get_by_role("button", name="Clear").click()
    page.locator(PAD).focus()
    for key in ("Space", "Shift+ArrowRight", "Shift+ArrowRight", "Space"):
        page.keyboard.press(key)
    assert page.evaluate("document.querySelector('garabato-pad').strokes") == [
        [[500, 600], [500, 500]]
    ]
    page.keyboard.press("Control+z")
    assert page.evaluate("document.querySelector('garabato-pad').strokes") == []
    assert page.evaluate("seen.failure") == []


COLOURS = """async ([module, scheme]) => {
  document.documentElement.style.colorScheme = scheme;
  await import(module);
  const {shadowRoot} = document.querySelector("garabato-pad");
  const styleOf = (name) => getComputedStyle(shadowRoot.querySelector(name));
  return [styleOf("canvas").backgroundColor, styleOf("canvas").color, styleOf("button").color];
}"""
LIGHT, DARK = ("rgb(255, 255, 255)", "rgb(29, 43, 79)"), ("rgb(27, 31, 42)", "rgb(219, 228, 255)")


@pytest.mark.parametrize(
    ("scheme", "paper_and_ink"), [("normal", LIGHT), ("light dark", DARK), ("dark", DARK)]
)
def test_the_pad_is_dark_only_where_the_page_around_it_is(page, origin, scheme, paper_and_ink):
    page.emulate_media(color_scheme="dark")
    paper, ink = paper_and_ink
    colours = page.evaluate(COLOURS, [f"{origin}/package/dist/pad_element.js", scheme])
    assert colours == [paper, ink, ink]
    draw(page, Drawing([[[0, 255], [0, 255]]]), pad=PAD)
    painted = page.evaluate(
        """async () => {
          for (let frame = 0; frame < 2; frame++) await new Promise(requestAnimationFrame);
          const canvas = document.querySelector("garabato-pad").shadowRoot.querySelector("canvas");
          const middle = canvas.width / 2;
          return [...canvas.getContext("2d").getImageData(middle, middle, 1, 1).data];
        }"""
    )
    assert "rgb({}, {}, {})".format(*painted[:3]) == ink


def test_the_pad_searches_a_traced_drawing_without_its_order(page, origin):
    page.evaluate(EVENTS, [f"{origin}/package/dist/pad_element.js", f"{origin}/page"])
    traced = {"drawing": sketch("house", 3).to_lists(), "traced": True}
    page.evaluate("(hit) => document.querySelector('garabato-pad').show(hit)", traced)
    assert page.evaluate("seen.change.at(-1).traced") is True
    wait(page, "seen.hits.at(-1)?.hits.length")  # an empty pad announces no hits
    found, expected, drawn = page.evaluate(
        """async () => {
          const pad = document.querySelector("garabato-pad");
          const ask = (traced) => pad.garabato.search(pad.strokes, {traced, k: 5});
          return [seen.hits.at(-1).hits, await ask(true), await ask(false)];
        }"""
    )
    assert found == expected
    assert found != drawn
    page.get_by_role("button", name="Clear").click()
    assert page.evaluate("document.querySelector('garabato-pad').traced") is False


def test_a_pad_without_its_gallery_says_so_and_still_draws(page, origin):
    page.evaluate(
        """async ([module, gallery]) => {
          await import(module);
          const pad = document.querySelector("garabato-pad");
          const failed = new Promise((resolve) => pad.addEventListener("failure", resolve));
          pad.setAttribute("gallery", gallery);
          window.said = (await failed).detail.error.message;
          pad.strokes = [[[0, 10], [0, 0]]];
        }""",
        [f"{origin}/package/dist/pad_element.js", f"{origin}/nothing"],
    )
    assert "there is no gallery at" in page.evaluate("said")
    assert page.evaluate("document.querySelector('garabato-pad').strokes") == [
        [[100, 900], [500, 500]]
    ]


def test_a_pad_loads_its_gallery_only_while_it_is_in_the_document(page, origin):
    page.evaluate(EVENTS, [f"{origin}/package/dist/pad_element.js", f"{origin}/page"])
    moved = """() => {
      window.pad = document.querySelector("garabato-pad");
      const {garabato} = pad;
      document.body.append(document.createElement("main"));
      document.querySelector("main").append(pad);
      return new Promise((resolve) => setTimeout(() => resolve(pad.garabato === garabato), 50));
    }"""
    assert page.evaluate(moved) is True
    (worker,) = page.workers
    with worker.expect_event("close"):
        # in the middle of a search
        page.evaluate("pad.strokes = [[[0, 10], [0, 0]]]; pad.remove()")
    wait(page, "pad.garabato === null")
    ready = """() => {
      const ready = new Promise((resolve) => pad.addEventListener("ready", resolve));
      document.body.append(pad);
      return ready.then(() => true);
    }"""
    assert page.evaluate(ready) is True
    wait(page, "seen.hits.at(-1)?.hits.length === 5")
    assert page.evaluate("seen.failure") == []


def test_a_pad_keeps_the_gallery_it_is_given_while_another_loads(page, origin):
    page.evaluate(EVENTS, [f"{origin}/package/dist/pad_element.js", f"{origin}/page"])
    said = page.evaluate(
        """async ([module, gallery]) => {
          const {Garabato} = await import(module);
          const given = await Garabato.create({gallery});
          const pad = document.querySelector("garabato-pad");
          pad.setAttribute("gallery", gallery + "/gallery");
          pad.garabato = given;
          await Garabato.create({gallery});
          pad.remove();
          await new Promise((resolve) => setTimeout(resolve, 50));
          return pad.garabato === given;
        }""",
        [f"{origin}/package/dist/index.js", f"{origin}/page"],
    )
    assert said is True


def test_a_query_ends_once_it_is_aborted_whatever_is_still_loading(page, origin):
    page.route("**/slow/**", lambda route: None)
    said = page.evaluate(
        """async ([module, gallery]) => {
          const garabato = new (await import(module)).Garabato({gallery});
          const signal = AbortSignal.timeout(50);
          return garabato.search([[[0, 10], [0, 0]]], {signal}).catch(({name}) => name);
        }""",
        [f"{origin}/package/dist/index.js", f"{origin}/slow"],
    )
    assert said == "TimeoutError"


def test_the_example_of_the_icon_picker_finds_what_is_drawn(page, origin):
    page.goto(f"{origin}/package/examples/icon-picker.html?gallery={origin}/page/")
    playwright_api.expect(page.locator("#status")).to_have_text("Draw, then pick an icon.")
    page.evaluate(
        "(strokes) => (document.querySelector('garabato-pad').strokes = strokes)",
        sketch("house", 3).to_lists(),
    )
    choices = page.locator("#icons button")
    playwright_api.expect(choices).to_have_count(24)
    playwright_api.expect(choices.first).to_have_text("house")
    playwright_api.expect(choices.first.locator("svg path").first).to_be_attached()
    choices.first.click()
    playwright_api.expect(page.locator("#status")).to_have_text("You chose house.")


def test_the_example_of_the_symbol_says_what_was_drawn(page, origin):
    page.goto(f"{origin}/package/examples/draw-a-symbol.html?gallery={origin}/page/")
    said = page.locator("#said")
    playwright_api.expect(said).to_have_text("Go!")
    set_strokes = "(strokes) => (document.querySelector('garabato-pad').strokes = strokes)"
    page.evaluate(set_strokes, sketch("triangle", 3).to_lists())
    playwright_api.expect(said).to_contain_text("triangle?")
    page.evaluate(set_strokes, sketch("star", 3).to_lists())
    playwright_api.expect(said).to_have_text("That's it!")


def wait(page: Any, condition: str) -> None:
    page.wait_for_function(condition, timeout=TIMEOUT_MS)
