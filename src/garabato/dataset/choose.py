"""Which categories a data set is made of."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal

from garabato.categories import nearest_category
from garabato.errors import CategoryError, InputError

#: How many, by seed; all; or these.
Categories = int | Literal["all"] | Sequence[str]


def choose_categories(available: Sequence[str], wanted: Categories, *, seed: int) -> list[str]:
    """The chosen names, sorted.

    A number is drawn at random by `seed`: with the same seed, fewer are among the more. Raises
    CategoryError for a name that is not available, and where there are fewer than wanted.
    """
    if wanted == "all":
        return sorted(available)
    if isinstance(wanted, int):
        return sorted(_draw(available, wanted, seed))
    if isinstance(wanted, str):
        raise InputError(f"categories is a number, 'all' or a list of names, not {wanted!r}")
    names = set(wanted)
    if not names:
        raise CategoryError("no category was named; name some, give a number or 'all'")
    if unknown := sorted(names - set(available)):
        raise CategoryError("; ".join(_unknown(name, available) for name in unknown))
    return sorted(names)


def _draw(available: Sequence[str], n: int, seed: int) -> list[str]:
    if n < 1:
        raise InputError(f"the number of categories is 1 or more, not {n}")
    if n > len(available):
        raise CategoryError(
            f"{n} categories are wanted, but the source has {len(available)}; "
            "ask for fewer, or for all"
        )

    def place(name: str) -> bytes:
        return hashlib.blake2b(f"{seed}/{name}".encode(), person=b"categories").digest()

    return sorted(available, key=place)[:n]


def _unknown(name: str, available: Sequence[str]) -> str:
    nearest = nearest_category(name, available)
    hint = f"did you mean {nearest!r}?" if nearest else f"it has {len(available)} others"
    return f"the source has no category {name!r}; {hint}"
