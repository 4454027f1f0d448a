"""The page without a server, in a real browser, from a plain static file server."""

from __future__ import annotations

import base64
import gzip
import json
import re
import shutil
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pytest
from exported_page import CATEGORIES, PER_CATEGORY
from pens import draw
from sketches import make_drawings

from garabato import export_web
from garabato.drawing import Drawing
from garabato.errors import InputError
from garabato.export.web import WebGallery
from garabato.render import RenderSpec

playwright_api = pytest.importorskip(
    "playwright.sync_api", reason="exported pages are tested with: pip install playwright"
)
pytest.importorskip("onnxruntime")

N_HITS = 10
TIMEOUT_MS = 60_000
playwright_api.expect.set_options(timeout=TIMEOUT_MS)
ASK = """
async (drawings) => {
  const api = await import("./static/script/api.js");
  while (!(await api.readiness()).ready);
  const answers = [];
  for (const drawing of drawings) answers.push(await api.search({drawing, k: 10, predictions: 3}));
  return answers;
}
"""


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    """The page, ready for questions; it must not complain nor ask anyone else."""
    page = browser.new_page()
    page.set_default_timeout(TIMEOUT_MS)
    complaints: list[str] = []
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    playwright_api.expect(page.locator("#readiness")).to_be_hidden(timeout=TIMEOUT_MS)
    yield page
    page.close()
    assert not complaints
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []


def expanded(file: Path) -> bytes:
    """The content of a file compressed with Zstandard."""
    content: bytes = pa.CompressedInputStream(pa.OSFile(str(file)), "zstd").read()
    return content


def test_the_browser_predicts_and_searches_like_garabato(page, web_encoder, web_gallery):
    drawings = make_drawings((*CATEGORIES, "star", "zigzag", "spiral"), 10, seed=8)
    drawings += [Drawing([[[3], [4]]]), Drawing([[[-2.5, 1.25], [1e4, 3]]])]
    answers = page.evaluate(ASK, [drawing.to_lists() for drawing in drawings])
    output = web_encoder.predict(drawings)
    for row, (drawing, answer) in enumerate(zip(drawings, answers, strict=True)):
        predictions = web_encoder.classify(drawing, 3)
        expected, found = predictions[0], answer["predictions"][0]
        assert found["category"] == expected.category
        assert (expected.category == "spiral") == (drawing.category == "spiral")
        # The browser's runtime rounds 8-bit sums differently.
        assert found["probability"] == pytest.approx(expected.probability, abs=5e-3)
        assert answer["unsure"] == predictions.unsure
        assert answer["unknown"] == predictions.unknown
        hits = web_gallery.search(output.embeddings[row], len(web_gallery))
        score_of = {hit.key_id: hit.score for hit in hits}
        for mine, theirs in zip(answer["hits"], hits[:N_HITS], strict=True):
            # The same drawing, or one as like it but for the third digit.
            assert score_of[mine["key_id"]] == pytest.approx(theirs.score, abs=5e-3)
            assert mine["score"] == pytest.approx(score_of[mine["key_id"]], abs=5e-3)


def test_hits_bring_what_is_known_of_them(page, web_gallery):
    query = make_drawings(["triangle"], 1, seed=8)[0]
    (answer,) = page.evaluate(ASK, [query.to_lists()])
    known = {hit.key_id: hit for hit in web_gallery.search(query, len(web_gallery))}
    for hit in answer["hits"]:
        theirs = known[hit["key_id"]].to_dict()
        drawing = known[hit["key_id"]].drawing.on_grid().to_lists()
        del theirs["timestamp"]  # which no page shows
        assert (theirs.pop("original_type", None) is None) == (hit.pop("original", None) is None)
        assert hit == theirs | {"score": hit["score"], "drawing": drawing}


def test_one_draws_and_sees_what_it_is_and_what_is_like_it(page):
    draw(page, make_drawings(["house"], 1, seed=21)[0])
    expect = playwright_api.expect
    expect(page.locator("#hits .hit")).to_have_count(24)
    expect(page.locator("#hits .hit").first).to_contain_text("house")
    for element in ("#add", "#open", "#drop-hint"):
        expect(page.locator(element)).to_be_hidden()


def test_the_gallery_is_shown_while_the_encoder_is_still_loading(browser, address):
    page = browser.new_page()
    page.set_default_timeout(TIMEOUT_MS)
    held: list[Any] = []
    page.route("**/onnxruntime.wasm.zst", lambda route: held.append(route))
    with page.expect_request("**/onnxruntime.wasm.zst"):
        page.goto(f"{address}#/category/ladder")
    page.wait_for_selector("#category .hit")
    page.evaluate("location.hash = '#/'")
    page.wait_for_selector("#welcome .hit")
    draw(page, make_drawings(["ladder"], 1, seed=9)[0])
    playwright_api.expect(page.locator("#readiness")).to_be_visible()
    held[0].continue_()
    page.wait_for_selector("#hits .hit")  # nobody has to draw again
    assert page.locator("#guess .name").inner_text() == "ladder"
    page.close()


HOSTILE = (
    "\"><img src='https://evil.example/a.png' onerror='hacked = 1'>"
    "<script>hacked = 1</script><style>@import 'https://evil.example/b.css'</style>"
)
HOSTILE_SVG = f"""<!DOCTYPE svg [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]>
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1e30 1e30" onload="parent.hacked = 1">
<script>parent.hacked = 1</script><style>@import url(https://evil.example/c.css);</style>
<image href="https://evil.example/d.png"/><use href="https://evil.example/e.svg#f"/>
<foreignObject width="9" height="9"><body xmlns="http://www.w3.org/1999/xhtml">{HOSTILE}</body>
</foreignObject><a href="javascript:hacked = 1"><set attributeName="href" to="javascript:1"/>
<animate attributeName="x" onbegin="hacked = 1"/></a><text>&b;</text></svg>"""
ORIGINALS = [
    "data:image/svg+xml;base64," + base64.b64encode(HOSTILE_SVG.encode()).decode(),
    "https://evil.example/original.png",
    "javascript:hacked = 1",
    "data:text/html,<script>parent.hacked = 1</script>",
]


@pytest.fixture
def hostile(host: tuple[Path, int], exported: Path, address: str) -> Iterator[str]:
    """The address of a page whose gallery someone has tampered with."""
    folder = host[0] / "hostile"
    shutil.copytree(exported, folder)
    file = folder / "gallery" / "gallery.json.zst"
    columns = json.loads(expanded(file))
    n = len(columns["key_id"])
    columns["categories"] = [f"{name} {HOSTILE}" for name in columns["categories"]]
    columns["key_id"] = ["__proto__", *(f"../{HOSTILE}/{key}" for key in columns["key_id"][1:])]
    columns["title"] = [f"{HOSTILE} {'x' * 3000}"] * n
    columns["tags"] = [[HOSTILE, "constructor", "x" * 3000]] * n
    columns["link"] = ["javascript:hacked = 1", "https://example.org/", None] * n
    columns["original"] = [ORIGINALS[row % len(ORIGINALS)] for row in range(n)]
    content = pa.Codec("zstd").compress(json.dumps(columns).encode(), asbytes=True)
    file.write_bytes(content)
    yield address.replace("/page/", "/hostile/")
    shutil.rmtree(folder)


def test_nothing_in_a_hostile_gallery_runs_or_is_fetched(browser, hostile):
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.set_default_timeout(TIMEOUT_MS)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(hostile)
    expect = playwright_api.expect
    expect(page.locator("#readiness")).to_be_hidden(timeout=TIMEOUT_MS)
    expect(page.locator("#welcome .hit").first).to_be_visible()
    draw(page, make_drawings(["house"], 1, seed=21)[0])
    expect(page.locator("#hits .hit")).to_have_count(24)
    for hit in page.locator("#hits .hit").all()[:4]:
        hit.locator(".details").click()
        page.get_by_role("button", name="Copy SVG").click()
        expect(page.locator("dialog [role=status]")).not_to_be_empty()
        page.get_by_role("button", name="Close").click()
    name = page.evaluate("document.querySelector('#category-names option').value")
    assert HOSTILE in name
    for view in (f"category/{quote(name, safe='')}", "explore"):
        page.evaluate("(view) => { location.hash = `#/${view}` }", view)
        expect(page.locator("#category .hit, #explore header p:not(:empty)").first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate("typeof hacked") == "undefined"
    assert errors == []
    assert [url for url in asked if not url.startswith((hostile, "data:image/", "blob:"))] == []
    links = page.evaluate("[...document.querySelectorAll('#hits a')].map(({href}) => href)")
    assert {link.split(":")[0] for link in links} <= {"http", "https"}
    page.close()


def refuse_webassembly(page: Any) -> None:
    """Answer as a host does whose content security policy forbids WebAssembly."""

    def refuse(route: Any) -> None:
        response = route.fetch()
        policy = {"content-security-policy": "script-src 'self' 'unsafe-inline'"}
        route.fulfill(response=response, headers=response.headers | policy)

    page.route("**/static/search/worker.js", refuse)
    page.route("**/page/", refuse)


@pytest.mark.parametrize(
    ("break_encoder", "reason"),
    [
        (lambda page: page.route("**/encoder.onnx.zst", lambda r: r.abort()), "encoder.onnx.zst"),
        (
            lambda page: page.route("**/onnxruntime.mjs", lambda r: r.fulfill(status=404)),
            "onnxruntime.mjs",
        ),
        (refuse_webassembly, "WebAssembly"),
    ],
)
def test_the_gallery_can_be_browsed_without_the_encoder(browser, address, break_encoder, reason):
    expect = playwright_api.expect
    page = browser.new_page()
    page.set_default_timeout(TIMEOUT_MS)
    break_encoder(page)
    page.goto(address)
    missing = page.locator("#readiness")
    expect(missing).to_contain_text("Loading failed")
    expect(missing).to_contain_text("You can browse the drawings and search them by words")
    expect(missing).to_contain_text(reason)
    page.locator("#welcome .words input").fill("ladd")
    expect(page.locator("#welcome h3")).to_have_text(f"{PER_CATEGORY} drawings with “ladd”")
    page.locator("#welcome .words input").fill("road")
    page.wait_for_function("document.querySelector('#welcome .hit .original')?.complete")
    draw(page, make_drawings(["ladder"], 1, seed=9)[0])
    expect(page.locator("#welcome .hit").first).to_be_visible()
    page.evaluate("location.hash = '#/category/ladder'")
    expect(page.locator("#category .hit").first).to_be_visible()
    page.evaluate("location.hash = '#/explore'")
    expect(page.locator("#explore header p")).to_contain_text("drawings.")
    expect(missing).to_be_hidden()
    page.close()


def test_a_page_without_its_gallery_says_so(browser, address):
    page = browser.new_page()
    page.route("**/gallery.json.zst", lambda route: route.fulfill(status=404))
    page.goto(address)
    missing = page.locator("#readiness")
    playwright_api.expect(missing).to_contain_text("did not load")
    playwright_api.expect(missing).to_contain_text("gallery.json.zst (status 404)")
    page.close()


def test_words_find_the_drawings_that_they_find_in_the_gallery(page, web_gallery):
    texts = [
        "a WARN",
        "road tri",
        "sign (",
        "arning",
        "LAD",
        "house",
        "-",
        ".*",
        "\\p{L}",
        "tri sign ro",
    ]
    found = page.evaluate(
        """(texts) => import("./static/script/api.js").then(({withWords}) =>
          Promise.all(texts.map(async (text) => (await withWords(text, 100)).drawings)))""",
        texts,
    )
    for text, drawings in zip(texts, found, strict=True):
        wanted = web_gallery.list(limit=100, where={"text": text})
        assert {one["key_id"] for one in drawings} == {one.key_id for one in wanted}, text
    assert [len(drawings) for drawings in found[:5]] == [1, 1, 0, 0, PER_CATEGORY]


def test_a_drawing_and_words_are_searched_together(page):
    draw(page, make_drawings(["house"], 1, seed=21)[0])
    playwright_api.expect(page.locator("#hits .hit")).to_have_count(24)
    page.get_by_label("Only with these words in title, category or tags").fill("lad")
    playwright_api.expect(page.locator("#hits .hit")).to_have_count(PER_CATEGORY)
    page.get_by_label("Only with these words in title, category or tags").fill("road sign")
    playwright_api.expect(page.locator("#hits .hit")).to_have_count(1)
    playwright_api.expect(page.locator("#hits .hit")).to_contain_text("A warning")


def test_a_gallery_exported_with_gzip_still_opens(browser, host, address, exported):
    folder = host[0] / "older" / "gallery"
    shutil.copytree(exported / "gallery", folder)
    for file in folder.glob("*.zst"):
        file.with_suffix(".gz").write_bytes(gzip.compress(expanded(file)))
        file.unlink()
    (folder / "fzstd.mjs").unlink()
    embeddings = (folder / "embeddings.bin.gz").read_bytes()
    (folder / "embeddings.bin").write_bytes(gzip.decompress(embeddings))
    (folder / "embeddings.bin.gz").unlink()
    about = json.loads((folder / "encoder.json").read_bytes())
    del about["compression"], about["embedding_bits"]
    (folder / "encoder.json").write_text(json.dumps(about | {"network": "encoder.onnx.gz"}))
    page = browser.new_page()
    page.set_default_timeout(TIMEOUT_MS)
    page.goto(address)
    best = page.evaluate(
        """async (drawing) => {
          const {Garabato} = await import("./static/search/garabato.js");
          const garabato = await Garabato.create({gallery: "../older/"});
          await garabato.map();
          await garabato.category("envelope");
          return (await garabato.classify(drawing)).predictions[0].category;
        }""",
        make_drawings(["envelope"], 1, seed=9)[0].to_lists(),
    )
    assert best == "envelope"
    page.close()


def test_hits_can_be_of_one_category_or_country(page):
    found = page.evaluate(
        """async (drawing) => {
          const {search} = await import("./static/script/api.js");
          const of = async (where) => (await search({drawing, k: 50, where})).hits;
          return [await of({category: ["ladder", "nothing"]}), await of({country: ["PE"]})];
        }""",
        make_drawings(["house"], 1, seed=21)[0].to_lists(),
    )
    assert [hit["category"] for hit in found[0]] == ["ladder"] * PER_CATEGORY
    assert [hit["country"] for hit in found[1]] == ["PE"] * 6


def test_titles_tags_links_and_originals_come_with_the_drawing(page, web_gallery):
    listed = page.evaluate(
        """async () => {
          const {list} = await import("./static/script/api.js");
          const {drawings} = await list("triangle", 50);
          const one = drawings.find(({title}) => title);
          const image = Object.assign(new Image(), {src: one.original});
          await image.decode();
          return {...one, response: await (await fetch(one.original)).text()};
        }"""
    )
    assert listed["title"] == "A warning"
    assert set(listed["tags"]) == {"sign", "road"}
    assert listed["link"] == "https://example.org/"
    assert listed["response"] == web_gallery.original(listed["key_id"]).content.decode()


def test_a_category_of_few_drawings_shows_all_of_them(page):
    about = page.evaluate(
        """async () => (await import("./static/script/api.js")).category("star")"""
    )
    assert [one["key_id"] for one in about["typical"]] == ["the only star"]
    assert (about["n_drawings"], about["odd"]) == (1, [])
    assert "confused_with" not in about  # not measured


def test_a_category_has_its_page(page, address):
    page.goto(f"{address}#/category/ladder")
    playwright_api.expect(page.locator("#category")).to_contain_text(f"{PER_CATEGORY} drawings")
    assert page.locator("#category .hit").count() >= 1


def test_category_pages_that_failed_to_load_are_fetched_again(browser, address):
    page, failed = browser.new_page(), []
    page.set_default_timeout(TIMEOUT_MS)

    def fail_once(route: Any) -> None:
        if failed:
            route.continue_()
        else:
            failed.append(route.abort())

    page.route("**/category_pages.json.zst", fail_once)
    page.goto(address)
    first, second = page.evaluate(
        """async () => {
          const {category} = await import("./static/script/api.js");
          const first = await category("ladder").catch(({message}) => message);
          return [first, (await category("ladder")).n_drawings];
        }"""
    )
    page.close()
    assert "category_pages" in first
    assert second == PER_CATEGORY


def test_all_drawings_of_a_category_come_page_by_page(page):
    pages = page.evaluate(
        """async () => {
          const {list} = await import("./static/script/api.js");
          const pages = [];
          for (let next = null; ; ) {
            const page = await list("ladder", 5, next);
            pages.push(page.drawings);
            if ((next = page.next) === null) return pages;
          }
        }"""
    )
    assert [len(drawings) for drawings in pages] == [5, 5, 2]
    listed = [drawing for drawings in pages for drawing in drawings]
    assert len({drawing["key_id"] for drawing in listed}) == PER_CATEGORY
    assert {drawing["category"] for drawing in listed} == {"ladder"}


def test_the_map_has_every_drawing(page):
    found = page.evaluate(
        """async () => {
          const {map, drawing, list, categories} = await import("./static/script/api.js");
          const places = await map();
          const one = await drawing(places.key_id[5]);
          return {places, one, known: await categories(), some: await list(one.category, 3)};
        }"""
    )
    places = found["places"]
    assert places["n"] == len(set(places["key_id"])) == len(CATEGORIES) * PER_CATEGORY + 1
    assert max(places["x"]) <= 65_535
    assert len(places["x"]) == len(places["y"]) == places["n"]
    name = places["categories"][places["category"][5]]
    assert found["one"]["category"] == name
    assert [one["category"] for one in found["some"]["drawings"]] == [name] * 3
    assert found["known"]["categories"][0] == {"category": "envelope", "n_drawings": PER_CATEGORY}


def test_a_drawing_that_is_not_there_and_a_missing_file_are_reported(page, exported):
    said = page.evaluate(
        """async () => {
          const {drawing, category, add} = await import("./static/script/api.js");
          const problems = [drawing("nobody's"), category("nothing"), add([], "cat")];
          problems.push(category("constructor"));
          const settled = await Promise.allSettled(problems);
          return settled.map(({reason}) => reason.message);
        }"""
    )
    assert "nobody's" in said[0]
    assert "nothing" in said[1]
    assert "no server" in said[2]
    assert said[3] == "the gallery has no drawing of constructor"  # every object inherits one


def test_it_offers_the_page_all_that_the_way_to_the_server_does():
    package = resources.files("garabato")
    exported = re.compile(r"^export (?:const|class|async function|function) (\w+)", re.MULTILINE)
    offered, wanted = (
        set(exported.findall((package / path).read_text()))
        for path in ("export/site/static/script/api.js", "service/page/script/api.js")
    )
    assert offered == wanted


def test_a_folder_with_other_things_is_left_alone(web_encoder, web_gallery, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="is not empty and was not written"):
        export_web(web_encoder, tmp_path, gallery=web_gallery)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"
    with pytest.raises(InputError, match="is a file"):
        export_web(web_encoder, tmp_path / "thesis.txt", gallery=web_gallery)


def test_a_page_that_is_a_repository_by_now_is_left_alone(web_encoder, web_gallery, tmp_path):
    (tmp_path / "gallery").mkdir()
    (tmp_path / "gallery" / "encoder.json").write_text("{}")
    (tmp_path / ".git").mkdir()
    with pytest.raises(InputError, match=r"it holds \.git"):
        export_web(web_encoder, tmp_path, gallery=web_gallery)
    assert (tmp_path / ".git").is_dir()


def test_a_page_is_replaced_by_a_newer_one(web_encoder, web_gallery, exported, tmp_path):
    shutil.copytree(exported, tmp_path / "site")
    page = export_web(web_encoder, tmp_path / "site", gallery=web_gallery, per_category=2)
    assert page.n_drawings == 2 * len(CATEGORIES) + 1
    kept = json.loads(expanded(tmp_path / "site/gallery/gallery.json.zst"))
    assert len(kept["key_id"]) == page.n_drawings
    embeddings = expanded(tmp_path / "site/gallery/embeddings.bin.zst")
    assert len(embeddings) == 2 * web_encoder.embedding_dim * page.n_drawings
    assert page.files["index.html"] == (tmp_path / "site/index.html").stat().st_size


def test_an_encoder_of_style_reference_is_refused(tmp_path, web_gallery):
    from networks import make_encoder

    assert make_encoder("sknet", "reference").spec == RenderSpec.reference(32)
    with pytest.raises(InputError, match="style 'smooth'"):
        export_web(make_encoder("sknet", "reference"), tmp_path / "site", gallery=web_gallery)


@pytest.mark.slow
def test_embeddings_are_kept_to_the_fifth_digit(web_gallery, exported):
    stored_bytes = expanded(exported / "gallery/embeddings.bin.zst")
    whole = np.frombuffer(stored_bytes, "<i2").astype(np.float64)
    keys = json.loads(expanded(exported / "gallery/gallery.json.zst"))["key_id"]
    rows = whole.reshape(len(keys), -1)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    stored = next(iter(web_gallery.scan()))
    embeddings = dict(zip(stored.drawings.key_ids, stored.embeddings, strict=True))
    np.testing.assert_allclose(rows, [embeddings[key] for key in keys], atol=1e-5)


def test_a_category_or_country_called_none_is_not_that_of_drawings_without_one(tmp_path):
    line = Drawing([[[0, 10], [0, 10]]])
    named = line.replace(key_id="a", category="None", country="None")
    page = WebGallery([named, line.replace(key_id="b")], np.eye(2, dtype=np.float32), 16)
    page.write(tmp_path)
    columns = json.loads(expanded(tmp_path / "gallery.json.zst"))
    assert (columns["category"], columns["country"]) == ([0, -1], [0, -1])
