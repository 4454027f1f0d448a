from __future__ import annotations

from garabato.errors import FormatError
from garabato.formats.files import MAX_KINDS, OTHER, ReadReport


def test_a_clean_report_says_nothing():
    assert ReadReport().lines() == []
    assert ReadReport().to_dict() == {"n_read": 0, "n_unreadable": 0, "problems": {}}


def test_the_first_ten_of_each_kind_are_named_then_only_counted():
    report = ReadReport()
    for line in range(1, 1236):
        report.add(FormatError("broken JSON", path="cat.ndjson", position=f"line {line}"))
    report.add(FormatError("too long", path="dog.ndjson", position="line 3"))
    assert report.n_unreadable == 1236
    assert report.lines() == [
        "1,235 unreadable: broken JSON",
        *[f"  cat.ndjson, line {line}" for line in range(1, 11)],
        "  ... and 1,225 more",
        "1 unreadable: too long",
        "  dog.ndjson, line 3",
    ]
    assert report.to_dict()["problems"]["too long"] == {"n": 1, "places": ["dog.ndjson, line 3"]}


def test_a_million_kinds_do_not_fill_the_memory():
    report = ReadReport()
    for kind in range(3 * MAX_KINDS):
        report.add(FormatError(f"fault {kind}", path="cat.ndjson"))
    assert len(report.problems) == MAX_KINDS + 1
    assert report.problems[OTHER].n == 2 * MAX_KINDS
    assert report.n_unreadable == 3 * MAX_KINDS


def test_notes_add_up_over_files_and_do_not_fill_the_memory():
    report = ReadReport()
    report.add_notes({"the timestamp is left out": 2})
    report.add_notes({"the timestamp is left out": 3, "the key_id is left out": 1})
    assert report.lines() == [
        "5 read, but the timestamp is left out",
        "1 read, but the key_id is left out",
    ]
    assert report.to_dict()["notes"]["the timestamp is left out"] == 5
    report.add_notes({f"note {i}": 1 for i in range(3 * MAX_KINDS)})
    assert len(report.notes) == MAX_KINDS + 1
