"""The order of the packages: arrows point one way."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import click
import pytest

import garabato
from garabato.cli import COMMANDS, main

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "garabato"

#: From top to bottom: a package may import those before it (and itself), never those after it.
PACKAGES = (
    "errors",
    "host",
    "drawing",
    "categories",
    "tracing",
    "render",
    "formats",
    "sources",
    "dataset",
    "inspection",
    "models",
    "encoder",
    "evaluation",
    "training",
    "gallery",
    "ingest",
    "analysis",
    "export",
    "demo",
    "client",
    "service",
    "cli",
)
#: Compiled kernels are `_name.py`: functions on arrays; they know no more than the drawing's types.
KERNELS_MAY_IMPORT = {"errors", "host", "drawing", "_"}
#: Imported before anything can be trained, or by programs that only convert drawings.
WITHOUT_TORCH = (
    "drawing",
    "formats",
    "sources",
    "render",
    "encoder",
    "evaluation.metrics",
    "cli",
)


def package_of(module: str) -> str:
    """`garabato.formats.ndjson` -> `formats`; `_` for kernels, wherever they are."""
    names = module.split(".")[1:]
    if names[0] == "__main__":
        return "cli"
    return "_" if names[-1].startswith("_") else names[0]


def source_files() -> list[Path]:
    return sorted(p for p in SOURCE.rglob("*.py") if p != SOURCE / "__init__.py")


def module_name(path: Path) -> str:
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_modules(path: Path) -> Iterator[str]:
    """Modules of garabato that a file imports, wherever in it, but not for type checking only."""
    tree = ast.parse(path.read_text())
    for_types_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in for_types_only:
            continue
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name.startswith("garabato"))
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute here"
            if node.module and node.module.startswith("garabato"):
                if node.module != "garabato":
                    yield node.module
                    continue
                for alias in node.names:  # a public name, or a package
                    is_public = alias.name in garabato.__all__
                    yield "garabato" if is_public else f"garabato.{alias.name}"


def imported_packages(path: Path) -> list[str]:
    return [module for module in imported_modules(path) if module != "garabato"]


@pytest.mark.parametrize("path", source_files(), ids=lambda p: str(p.relative_to(SOURCE)))
def test_a_module_imports_only_packages_above_its_own(path: Path) -> None:
    package = package_of(module_name(path))
    assert package in (*PACKAGES, "_"), f"give the new package {package!r} its place in PACKAGES"
    may_import = (
        KERNELS_MAY_IMPORT if package == "_" else {*PACKAGES[: PACKAGES.index(package) + 1], "_"}
    )
    wrong = [m for m in imported_packages(path) if package_of(m) not in may_import]
    assert not wrong, f"{wrong} are below {package} in PACKAGES"


def test_only_the_command_line_and_the_service_use_the_public_face() -> None:
    users = [path for path in source_files() if "garabato" in imported_modules(path)]
    assert {package_of(module_name(path)) for path in users} <= {"cli", "service"}


@pytest.mark.parametrize("package", ["cli", "service"])
def test_the_command_line_and_the_service_call_no_kernels(package: str) -> None:
    for path in (SOURCE / package).rglob("*.py"):
        assert "_" not in {package_of(module) for module in imported_packages(path)}, path


def names_in(nodes: Iterable[ast.AST]) -> set[str]:
    return {n.id for node in nodes for n in ast.walk(node) if isinstance(n, ast.Name)}


def names_for_import(node: ast.stmt) -> set[str]:
    """Names that must be defined when a statement runs on import."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        defaults = [*node.args.defaults, *filter(None, node.args.kw_defaults)]
        return names_in([*node.decorator_list, *defaults])
    if isinstance(node, ast.ClassDef):
        inner = {name for statement in node.body for name in names_for_import(statement)}
        return inner | names_in([*node.decorator_list, *node.bases, *node.keywords])
    return names_in([node])


@pytest.mark.parametrize("path", source_files(), ids=lambda p: str(p.relative_to(SOURCE)))
def test_public_names_come_before_private_ones(path: Path) -> None:
    needed: set[str] = set()
    public = ""
    for node in reversed(ast.parse(path.read_text()).body):
        name = getattr(node, "name", "")
        if name in needed:  # it may be called on import, and call others
            needed |= names_in([node])
        elif name.startswith("_") and not name.endswith("__"):
            assert not public, f"{name} stands above {public}"
        else:
            public = name or public
        needed |= names_for_import(node)


@pytest.mark.parametrize("package", WITHOUT_TORCH)
def test_a_package_loads_without_torch(package: str) -> None:
    code = f"import sys, garabato.{package}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def commands() -> list[tuple[str, click.Command]]:
    """Every command and subcommand: ("gallery info", its command)."""
    found: list[tuple[str, click.Command]] = []

    def walk(name: str, command: click.Command) -> None:
        if not isinstance(command, click.Group):
            found.append((name, command))
            return
        context = click.Context(command)
        for sub in command.list_commands(context):
            inner = command.get_command(context, sub)
            assert inner is not None
            walk(f"{name} {sub}".strip(), inner)

    walk("", main)
    return found


def command_line_files() -> list[Path]:
    return sorted((SOURCE / "cli").glob("*.py"))


@pytest.mark.parametrize("path", command_line_files(), ids=lambda path: path.stem)
def test_the_command_line_uses_public_names_only(path: Path) -> None:
    tree = ast.parse(path.read_text())
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "garabato"
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            wrong = {a.name for a in node.names if a.name.startswith("garabato.")}
            assert not wrong, f"import these names from garabato itself: {wrong}"
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("garabato"):
            if node.module == "garabato":
                used |= {alias.name for alias in node.names}
            else:
                assert (node.module or "").startswith("garabato.cli"), node.module
    assert used <= set(garabato.__all__)


def test_every_listed_command_has_a_module() -> None:
    for name in COMMANDS:
        assert (SOURCE / "cli" / f"{name}.py").exists(), name


def test_every_command_module_is_listed() -> None:
    files = {path.stem for path in command_line_files()} - {"__init__"}
    for name in files - {*COMMANDS}:
        assert "command =" not in (SOURCE / "cli" / f"{name}.py").read_text(), name


def test_every_command_shows_an_example_and_stands_in_the_docs() -> None:
    reference = (ROOT / "docs" / "cli.md").read_text()
    for name, command in commands():
        assert "Example:" in (command.help or ""), f"garabato {name} --help has no example"
        assert f"garabato {name}" in (command.help or ""), f"the example of {name} is not of it"
        assert f"## garabato {name}" in reference, f"garabato {name} is not in docs/cli.md"


def test_code_in_the_reference_has_no_escaped_bars_and_examples_can_be_pasted() -> None:
    reference = (ROOT / "docs" / "cli.md").read_text()
    assert "<code>--format simplified&#124;raw&#124;bin&#124;npy</code>" in reference
    assert "\\|" not in reference
    assert "\ngarabato classify --model run query.ndjson -k 3\n" in reference


def test_the_reference_of_the_command_line_is_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "write_cli_docs.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
