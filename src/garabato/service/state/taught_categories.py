"""Categories that clients taught the encoder, in a file of `garabato categories add`."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from garabato.drawing import Drawing
from garabato.encoder import Encoder
from garabato.encoder.few_shot import AddedCategory, load_categories, save_categories
from garabato.errors import InputError

_log = logging.getLogger("garabato.service")
FILE = "categories.json"
#: Categories that may be taught; each takes 1 kB and a little time of every query.
MAX_TAUGHT = 200


class TaughtCategories:
    """`encoder` knows the categories of the encoder given, and those in `file`.

    Raises EncoderError if the file is damaged or was made with another encoder.
    """

    def __init__(self, file: Path, encoder: Encoder) -> None:
        self._file = file
        self._untaught = encoder
        self._taught: dict[str, AddedCategory] = {}
        if file.is_file():
            stored = load_categories(
                file,
                fingerprint=encoder.fingerprint,
                n_categories=len(encoder.network_categories),
            )
            for one in stored:
                if one.name in encoder.categories:
                    _log.warning("%s: the encoder itself knows %r now", file, one.name)
                else:
                    self._taught[one.name] = one
        self.encoder = self._with(self._taught)

    def __contains__(self, name: str) -> bool:
        return name in self._taught

    def all(self) -> list[AddedCategory]:
        """The taught categories, in the order they were taught."""
        return list(self._taught.values())

    def teach(self, name: str, drawings: Sequence[Drawing]) -> AddedCategory:
        """Make or replace a category; it is on disk when this returns.

        Raises InputError for a category of the encoder itself, and beyond MAX_TAUGHT.
        """
        kept = {other: one for other, one in self._taught.items() if other != name}
        if len(kept) >= MAX_TAUGHT:
            raise InputError(f"{MAX_TAUGHT} categories have been taught; remove one first")
        new = self._with(kept).with_categories({name: drawings}).added_categories[-1]
        self._change(kept | {name: new})
        return new

    def forget(self, name: str) -> bool:
        """Remove a taught category; returns whether there was one."""
        if name not in self._taught:
            return False
        self._change({other: one for other, one in self._taught.items() if other != name})
        return True

    def _change(self, taught: dict[str, AddedCategory]) -> None:
        encoder = self._with(taught)
        self._file.parent.mkdir(parents=True, exist_ok=True)
        save_categories(self._file, list(taught.values()), fingerprint=encoder.fingerprint)
        self._taught, self.encoder = taught, encoder

    def _with(self, taught: dict[str, AddedCategory]) -> Encoder:
        return self._untaught.with_added([*self._untaught.added_categories, *taught.values()])
