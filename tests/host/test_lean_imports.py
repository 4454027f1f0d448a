"""Imports without packages that garabato does not use."""

import subprocess
import sys

import pytest


@pytest.fixture
def run(tmp_path):
    """Run a program in a folder with a package `client` and a module that imports it."""
    (tmp_path / "client").mkdir()
    (tmp_path / "client" / "__init__.py").write_text("answer = 42\n")
    (tmp_path / "client" / "models.py").write_text("class Model: field = 1\n")
    (tmp_path / "library.py").write_text(
        "from client import answer\n"
        "from client.models import Model\n"
        "def use(model: Model) -> None: ...\n"
    )
    (tmp_path / "dependent.py").write_text("from client import answer\nanswer + 1\n")

    def run(program):
        program = f"from garabato.host import lean_imports\nimport sys\n{program}"
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    return run


#: Makes a program look like the command line.
_COMMAND = "sys.argv[0] = 'bin/garabato'\n"


def test_a_command_leaves_unneeded_packages_out(run):
    program = (
        "library = lean_imports.import_lean('library', ('client',))\n"
        "print(library.answer, 'client' in sys.modules)"
    )
    assert run(program) == ["42", "True"]
    assert run(_COMMAND + program)[-1] == "False"


def test_methods_marked_as_overrides_work_without_the_package(run, tmp_path):
    (tmp_path / "child.py").write_text(
        "from client import override\nclass Child:\n    @override\n    def age(self): return 7\n"
    )
    program = "print(lean_imports.import_lean('child', ('client',)).Child().age())"
    assert run(_COMMAND + program) == ["7"]


def test_an_optional_package_seems_not_to_be_installed_until_the_module_is_imported(run, tmp_path):
    (tmp_path / "modest.py").write_text(
        "try:\n    from client import answer\nexcept ImportError:\n    answer = None\n"
    )
    program = (
        "print(lean_imports.import_lean('modest', (), ('client',)).answer)\n"
        "import client\nprint(client.answer)"
    )
    assert run(program) == ["42", "42"]
    assert run(_COMMAND + program) == ["None", "42"]


def test_the_packages_can_be_imported_afterwards(run):
    program = (
        "lean_imports.import_lean('library', ('client',))\nimport client\nprint(client.answer)"
    )
    assert run(_COMMAND + program) == ["42"]


def test_a_module_that_needs_the_packages_is_imported_with_them(run):
    program = "print(lean_imports.import_lean('dependent', ('client',)).answer)"
    assert run(_COMMAND + program) == ["42"]


def test_lancedb_keeps_a_gallery_without_the_client_of_its_namespaces(run, tmp_path):
    program = """
import numpy as np
import garabato
circle = garabato.Drawing([[[0, 10, 10, 0], [0, 0, 10, 10]]], key_id="a", category="square")
encoder = garabato.load_encoder()
gallery = garabato.open_gallery("my.gallery", encoder=encoder)
gallery.add([circle])
print(gallery.search(circle, k=1)[0].key_id, gallery.delete(["a"]), len(gallery))
print("lance_namespace" in sys.modules, "lancedb" in sys.modules)
"""
    assert run(_COMMAND + program) == ["a", "1", "0", "False", "True"]
