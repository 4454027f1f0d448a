"""Gradients of SVG hide and show as in a browser, point by point."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from garabato.formats import read_drawings

#: A line along the page, of 200 units, that masks and gradients cut.
LINE = '<path d="M0 50L200 60" fill="none" stroke="black" stroke-width="4"/>'
HALVES = '<stop offset=".5" stop-color="white"/><stop offset=".5" stop-color="black"/>'
FILLED = '<rect width="200" height="100" fill="url(#g)"/>'


def _extent(folder: Path, body: str) -> tuple[float, float]:
    """From where to where the line is seen, beside a mark that sets the scale."""
    path = folder / "line.svg"
    mark = '<path d="M0 90L255 90" stroke="black" stroke-width="2"/>'
    path.write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 255 100">' + body + mark + "</svg>"
    )
    (drawing,) = read_drawings(path, strict=True)
    points = np.concatenate([stroke.T for stroke in drawing.strokes[:-1]])
    return float(points[:, 0].min()), float(points[:, 0].max())


@pytest.mark.parametrize(
    ("gradient", "kept"),
    [
        (f'<linearGradient id="g">{HALVES}</linearGradient>', (0, 100)),
        (f'<linearGradient id="g" x1="1" x2="0">{HALVES}</linearGradient>', (100, 200)),
        (f'<linearGradient id="g" x2="50%">{HALVES}</linearGradient>', (0, 50)),
        (
            '<linearGradient id="g" gradientUnits="userSpaceOnUse" x1="40" x2="80">'
            f"{HALVES}</linearGradient>",
            (0, 60),
        ),
        (
            '<linearGradient id="g" gradientTransform="translate(.25)">'
            f"{HALVES}</linearGradient>",
            (0, 150),
        ),
        (f'<radialGradient id="g">{HALVES}</radialGradient>', (50, 150)),
        (f'<radialGradient id="g" cx="0" r="100%">{HALVES}</radialGradient>', (0, 100)),
        (
            f'<linearGradient id="s">{HALVES}</linearGradient>'
            '<linearGradient id="g" href="#s" x1="1" x2="0"/>',
            (100, 200),
        ),
        (
            f'<linearGradient id="s">{HALVES}</linearGradient>'
            '<linearGradient id="g" href="#s" x1="1" x2="0"><title>t</title></linearGradient>',
            (100, 200),
        ),
        (
            '<linearGradient id="s" x2="50%"/>'
            f'<linearGradient id="g" href="#s">{HALVES}</linearGradient>',
            (0, 50),
        ),
        (
            '<linearGradient id="g"><stop offset=".5" stop-color="white" stop-opacity="0"/>'
            '<stop offset=".5" stop-color="white"/></linearGradient>',
            (100, 200),
        ),
        (  # a quarter of the light, 0.25, shows more than the 0.1 that is seen
            '<linearGradient id="g"><stop stop-color="#404040"/><stop offset="1" '
            'stop-color="white"/></linearGradient>',
            (0, 200),
        ),
    ],
)  # fmt: skip
def test_a_mask_of_a_gradient_shows_what_is_beneath_its_light_part(tmp_path, gradient, kept):
    mask = f'<mask id="m" maskUnits="userSpaceOnUse">{FILLED}</mask>'
    body = f'{gradient}{mask}<g mask="url(#m)">{LINE}</g>'
    assert _extent(tmp_path, body) == pytest.approx(kept, abs=3)


def test_a_gradient_repeats_or_goes_back(tmp_path):
    mask = f'<mask id="m" maskUnits="userSpaceOnUse">{FILLED}</mask><g mask="url(#m)">{LINE}</g>'
    start = '<linearGradient id="g" gradientUnits="userSpaceOnUse" x1="10" x2="60" spreadMethod='
    stops = '<stop offset=".6" stop-color="black"/><stop offset=".6" stop-color="white"/>'
    # white from 40 to 60, then again from 90, or on to 80; parts of 10 units are too short to keep
    for spread, kept in (("repeat", (40, 160)), ("reflect", (40, 180)), ("pad", (40, 200))):
        body = f'{start}"{spread}">{stops}</linearGradient>{mask}'
        assert _extent(tmp_path, body) == pytest.approx(kept, abs=3), spread


def test_a_mask_by_alpha_takes_the_alpha_of_a_gradient(tmp_path):
    stops = '<stop offset=".5" stop-color="black"/><stop offset=".5" stop-opacity="0"/>'
    mask = f'<mask id="m" mask-type="alpha" maskUnits="userSpaceOnUse">{FILLED}</mask>'
    body = f'<linearGradient id="g">{stops}</linearGradient>{mask}<g mask="url(#m)">{LINE}</g>'
    assert _extent(tmp_path, body) == pytest.approx((0, 100), abs=3)


def test_a_line_ends_where_its_gradient_becomes_transparent(tmp_path):
    stops = '<stop offset=".5"/><stop offset=".5" stop-opacity="0"/>'
    body = f'<linearGradient id="g">{stops}</linearGradient>{LINE.replace("black", "url(#g)")}'
    assert _extent(tmp_path, body) == pytest.approx((0, 100), abs=3)
    flat = body.replace("60", "50")  # without a box there is no gradient: the line is kept
    assert _extent(tmp_path, flat) == pytest.approx((0, 200), abs=3)


def test_a_gradient_that_only_rounding_keeps_from_being_flat_has_its_mean_colour(tmp_path):
    gradient = (
        '<linearGradient id="g" gradientTransform="matrix(.8 1.5 2.4 4.5 0 0)">'
        f"{HALVES}</linearGradient>"
    )
    assert _extent(tmp_path, gradient + LINE.replace('"black"', '"url(#g)"')) == (0, 200)
