"""SVG files are stored and served without anything that runs or is fetched."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from garabato.errors import FormatError
from garabato.formats.svg.clean import clean_svg

HEAD = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24">'
CLOUD = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="24" height="24" viewBox="0 0 24 24" '
    'fill="none" stroke="currentColor" stroke-width="2"><title>cloud &amp; sun</title>'
    '<path d="M6 15h12"/><circle cx="12" cy="12" r="3" transform="rotate(45 12 12)"/></svg>'
)
#: What no cleaned document may hold, in lower case.
FORBIDDEN = (
    "script", "onload", "onclick", "onbegin", "foreignobject", "http://evil", "https://evil",
    "//evil", "javascript:", "@import", "image", "iframe", "animate", "<set", "data:", "entity",
    "file:", "evil",
)  # fmt: skip

HOSTILE = {
    "a script": "<script>evil()</script>",
    "a script of another prefix": '<s:script xmlns:s="http://www.w3.org/2000/svg">evil()</s:script>',
    "an event handler": '<path d="M0 0h9" onload="evil()" onclick="evil()"/>',
    "a foreign object": "<foreignObject><body><iframe src='http://evil'/></body></foreignObject>",
    "a link that runs": '<a href="javascript:evil()"><path d="M0 0h9"/></a>',
    "an outside use": '<use href="https://evil.example/a.svg#b"/>',
    "an old outside use": '<use xmlns:k="http://www.w3.org/1999/xlink" k:href="//evil/a#b"/>',
    "an outside picture": '<image href="http://evil.example/a.png" width="9" height="9"/>',
    "a picture inside": '<image href="data:image/svg+xml;base64,PHN2Zy8+" width="9" height="9"/>',
    "an outside fill": '<path d="M0 0h9" fill="url(http://evil.example/a.svg#b)"/>',
    "an outside fill in quotes": """<path d="M0 0h9" style="fill:url('https://evil/a#b')"/>""",
    "an outside fill behind a comment": '<path d="M0" style="fill:url(/**/https://evil/a#b)"/>',
    "an escaped outside fill": r'<path d="M0" style="fill:\75rl(https://evil/a)"/>',
    "an image set": """<path d="M0" style="mask-image:image-set('https://evil/a.png' 1x)"/>""",
    "an import": "<style>@import url(https://evil/a.css);</style>",
    "an import of text": "<style>@import 'https://evil/a.css';</style>",
    "a font": "<style>@font-face{font-family:a;src:url(https://evil/a.woff)}</style>",
    "an animation": '<g><animate attributeName="href" to="javascript:evil()"/></g>',
    "a set": '<a><set attributeName="href" to="javascript:evil()" onbegin="evil()"/></a>',
    "an outside filter": '<filter id="f"><feImage href="https://evil/a.png"/></filter>',
    "a foreign vocabulary": '<h:img xmlns:h="http://www.w3.org/1999/xhtml" src="https://evil/a"/>',
}


@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_that_runs_or_is_fetched_is_left(name: str) -> None:
    cleaned = clean_svg(f'{HEAD}{HOSTILE[name]}<path d="M3 4h5"/></svg>'.encode()).decode()
    assert not [word for word in FORBIDDEN if word in cleaned.lower()]
    assert not re.search(r"\son\w+=", cleaned)
    assert 'd="M3 4h5"' in cleaned
    ElementTree.fromstring(cleaned)


def test_an_icon_without_scripts_or_links_is_unchanged() -> None:
    assert clean_svg(CLOUD.encode()).decode() == CLOUD
    assert clean_svg(clean_svg(CLOUD.encode())) == clean_svg(CLOUD.encode())


def test_what_a_link_holds_stays_without_the_link() -> None:
    document = (
        b'<svg xmlns="http://www.w3.org/2000/svg"><a href="https://evil.example/" fill="red">'
        b'<a><path d="M0 0h9"/></a></a><text>see <a href="javascript:evil()">this</a></text></svg>'
    )
    assert clean_svg(document) == (
        b'<svg xmlns="http://www.w3.org/2000/svg"><g fill="red">'
        b'<g><path d="M0 0h9"/></g></g><text>see <tspan>this</tspan></text></svg>'
    )


def test_references_inside_the_document_and_styles_stay() -> None:
    kept = (
        f'{HEAD}<defs><linearGradient id="g"><stop offset="0" stop-color="rgb(1,2,3)"/>'
        "</linearGradient></defs><style>.a{fill:url(#g)}</style>"
        '<path d="M0 0h9v9z" class="a" fill="url(#g)"/><use href="#g"/></svg>'
    )
    assert clean_svg(kept.encode()).decode() == kept


def test_an_entity_comes_out_as_its_text() -> None:
    document = (
        f'<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY t "a cloud">]>{HEAD}<title>&t;</title></svg>'
    )
    cleaned = clean_svg(document.encode()).decode()
    assert "ENTITY" not in cleaned
    assert ElementTree.fromstring(cleaned)[0].text == "a cloud"


@pytest.mark.parametrize(
    "reference",
    ["", 'href=""', 'href="#"', 'href="a"', 'href="#a%20"', 'href="https://e.org/i.svg#a"'],
)
def test_a_use_of_nothing_in_the_document_is_no_cycle(reference: str) -> None:
    document = f'{HEAD}<g id="a"><use {reference}/></g></svg>'
    assert "<use" in clean_svg(document.encode()).decode()


def test_of_two_elements_with_one_id_the_first_is_drawn() -> None:
    groups = "".join(f'<g id="a{n}">{f"""<use href="#a{n - 1}"/>""" * 10}</g>' for n in range(1, 6))
    document = f'{HEAD}<path id="a0" d="M0 0h1"/>{groups}<g id="a5"/><use href="#a5"/></svg>'
    with pytest.raises(FormatError, match="draws more than"):
        clean_svg(document.encode())


@pytest.mark.parametrize(
    "first",
    ['<metadata id="a"/>', '<style id="a">@import "x.css"</style>', '<k:g xmlns:k="k" id="a"/>'],
)
def test_elements_that_are_not_kept_hide_no_others_of_their_id(first: str) -> None:
    uses = '<use href="#a"/>' * 4
    document = f'{HEAD}{first}<g id="a">{"<path/>" * 5_000}</g>{uses}</svg>'
    with pytest.raises(FormatError, match="draws more than"):
        clean_svg(document.encode())


@pytest.mark.parametrize("reference", ["#%61b", "#a&#10;b", "#ab "])
def test_references_are_those_that_browsers_follow(reference: str) -> None:
    """Percent-encoded characters are decoded; spaces around an address and line breaks go."""
    uses = f'<use href="{reference}"/>' * 4
    document = f'{HEAD}<g id="ab">{"<path/>" * 5_000}</g>{uses}</svg>'
    with pytest.raises(FormatError, match="draws more than"):
        clean_svg(document.encode())


def test_a_long_chain_of_references_is_refused() -> None:
    chain = "".join(f'<g id="a{n}"><use href="#a{n + 1}"/></g>' for n in range(5_000))
    with pytest.raises(FormatError, match="draws more than"):
        clean_svg(f"{HEAD}{chain}</svg>".encode())


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        (f"{HEAD}<path", "broken XML"),
        ("<html/>", "<svg> was expected"),
        ('<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg>&x;</svg>', "entities"),
        (f'{HEAD}<g id="a"><use href="#a"/></g></svg>', "draws more than"),
        (
            HEAD
            + '<g id="a0"><path d="M0 0h1"/></g>'
            + "".join(
                f'<g id="a{n}">{f"""<use href="#a{n - 1}"/>""" * 10}</g>' for n in range(1, 9)
            )
            + "</svg>",
            "draws more than",
        ),
    ],
)
def test_a_document_that_cannot_be_cleaned_says_why(document: str, problem: str) -> None:
    with pytest.raises(FormatError, match=problem):
        clean_svg(document.encode())
