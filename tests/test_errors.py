"""The exception tree, and what its texts promise."""

from __future__ import annotations

import errno
import inspect
import pickle
import re
from pathlib import Path

import numpy as np
import pytest

from garabato import errors
from garabato.categories import CATEGORIES
from garabato.errors import (
    FormatError,
    GarabatoError,
    InputError,
    MissingExtraError,
    StorageError,
    check_count,
    check_opened,
    did_you_mean,
    first_line,
    nearest_name,
)


def _classes() -> dict[str, type]:
    return dict(inspect.getmembers(errors, inspect.isclass))


def test_the_tree_at_the_top_of_the_file_is_the_real_one():
    drawn = {}
    parents: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        if found := re.match(r"([│├└─ ]*)(\w+Error)\b", line):
            depth = len(found[1]) // 4
            parents[depth:] = [found[2]]
            drawn[found[2]] = parents[depth - 1] if depth else "Exception"
    real = {
        name: c.__mro__[1].__name__
        for name, c in _classes().items()
        if issubclass(c, GarabatoError)
    }
    assert drawn == real


def test_all_errors_can_be_caught_as_one():
    own = [c for c in _classes().values() if c.__module__ == errors.__name__]
    assert all(issubclass(c, GarabatoError) for c in own)
    assert issubclass(errors.InputError, ValueError)
    assert issubclass(StorageError, OSError)


def test_a_format_error_names_file_position_and_problem():
    error = FormatError("broken JSON", path="cat.ndjson", position="line 12")
    assert str(error) == "cat.ndjson, line 12: broken JSON"
    assert (error.path, error.position, error.problem) == ("cat.ndjson", "line 12", "broken JSON")
    assert str(FormatError("broken JSON")) == "broken JSON"


def test_a_missing_extra_says_the_command_that_installs_it():
    assert "pip install 'garabato[milvus]'" in str(
        MissingExtraError("the Milvus gallery", "milvus")
    )


@pytest.mark.parametrize(
    "error",
    [
        FormatError("broken JSON", path="cat.ndjson", position="line 12"),
        MissingExtraError("the Milvus gallery", "milvus", "or use a folder"),
        errors.ServiceError("busy", status=503, problem={"title": "busy"}),
    ],
)
def test_errors_of_other_processes_arrive_whole(error: GarabatoError):
    arrived = pickle.loads(pickle.dumps(error))
    assert (type(arrived), str(arrived), vars(arrived)) == (type(error), str(error), vars(error))


def test_a_path_where_something_opened_is_wanted_is_an_error_that_says_how_to_open_it():
    check_opened(gallery=object(), encoder=None)
    expected = "gallery must be opened: garabato.open_gallery('my.gallery')"
    for path in ("my.gallery", Path("my.gallery")):
        with pytest.raises(InputError, match=re.escape(expected)):
            check_opened(encoder=object(), gallery=path)


def test_a_count_is_a_whole_number_of_at_least_one():
    for good in (1, np.int64(3), np.uint8(255)):
        check_count("k", good)
    for bad in (0, -1, 2.0, "3", None, np.float32(2)):
        with pytest.raises(InputError, match="k must be a whole number of at least 1, not "):
            check_count("k", bad)


@pytest.mark.parametrize(
    ("number", "fix"),
    [
        (errno.ENOSPC, "disk is full"),
        (errno.EROFS, "read-only"),
        (errno.EEXIST, "there is a file of this name"),
        (errno.ENOTDIR, "a part of this path is a file"),
    ],
)
def test_a_disk_that_refuses_becomes_a_storage_error_that_names_the_file(number, fix):
    with (
        pytest.raises(StorageError, match=f"out.ndjson.*{fix}"),
        errors.storage_errors("out.ndjson"),
    ):
        raise OSError(number, "no")


def test_other_system_errors_pass_as_they_are():
    with pytest.raises(ChildProcessError), errors.storage_errors("x"):
        raise ChildProcessError(errno.ECHILD, "no")


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("catt", "cat"),
        ("CAT", "cat"),
        ("dgo", "dog"),
        ("hrose", "horse"),
        ("bycicle", "bicycle"),
        ("eiffel tower", "The Eiffel Tower"),
        ("alarm_clock", "alarm clock"),
        ("tshirt", "t-shirt"),
        ("qwertzuiop", None),
        ("", None),
    ],
)
def test_the_nearest_name_to_a_misspelt_one(name: str, nearest: str | None):
    assert nearest_name(name, CATEGORIES) == nearest


def test_the_nearest_is_among_those_given():
    assert nearest_name("dog", ["fog", "cat"]) == "fog"


def test_a_hint_names_the_nearest_name_or_says_something_else():
    assert did_you_mean("catt", ["dog", "cat"]) == "; did you mean 'cat'?"
    assert did_you_mean("xyzzy", ["dog", "cat"]) == ""
    assert did_you_mean("Paris", [" Paris", "Rome"]) == (
        "; did you mean ' Paris', with the space at its beginning or end?"
    )
    assert did_you_mean("xyzzy", ["dog"], otherwise="choose from dog") == "; choose from dog"


def test_the_first_line_of_an_error_without_text_is_its_class() -> None:
    assert first_line(ValueError("no such field\nin the header")) == "no such field"
    assert first_line(ValueError()) == "ValueError"


def test_the_first_line_of_an_error_has_no_address() -> None:
    assert first_line("malformed node: <ast.Call object at 0x7f3a>") == "malformed node: <ast.Call>"


def test_a_long_first_line_of_an_error_is_cut_off() -> None:
    assert first_line(ValueError("x" * 300)) == "x" * 300
    assert first_line(ValueError("x" * 301)) == "x" * 297 + "..."
