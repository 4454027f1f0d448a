"""garabato icons as it is typed, with a set that was fetched before."""

from __future__ import annotations

import io
import tarfile
from dataclasses import replace

import pytest
from click.testing import CliRunner
from typed import read_json, run

from garabato.cli import main
from garabato.sources import icons

SUN = (
    b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="none" '
    b'stroke="currentColor"><path d="M6 18h12a4 4 0 0 0 0-8 6 6 0 0 0-12 1"/></svg>'
)


@pytest.fixture(autouse=True)
def tiny(tmp_path, monkeypatch):
    """The set "tiny", with one icon and a broken file, in the cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    chosen = replace(icons.ICON_SETS["lucide"], package="tiny@1.0", metadata=None)
    monkeypatch.setitem(icons.ICON_SETS, "tiny", chosen)
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as package:
        for name, content in (("sun", SUN), ("broken", SUN[:90])):
            member = tarfile.TarInfo(f"package/icons/{name}.svg")
            member.size = len(content)
            package.addfile(member, io.BytesIO(content))
    icons.unpack_icons(archive.getvalue(), chosen, tmp_path / "garabato" / "icons" / "tiny-1.0")


def test_the_gallery_is_built_once_and_broken_icons_are_named(model, tmp_path):
    uri = tmp_path / "tiny.gallery"
    command = ("icons", "tiny", "--model", model, "--gallery", uri, "--no-serve", "--json")
    done = run(*command)
    built = read_json(done)
    assert (built["n_icons"], built["n_new"], built["unreadable"]) == (1, 1, 1)
    assert "broken.svg" in done.stderr
    again = read_json(run(*command))
    assert (again["n_icons"], again["n_new"], again["n_there"]) == (1, 0, 1)
    (found,) = read_json(run("search", "--gallery", uri, "--text", "sun", "--json"))["drawings"]
    assert (found["key_id"], found["link"]) == ("tiny/sun", "https://lucide.dev/icons/sun")


def test_the_error_for_a_port_that_kubernetes_set_explains_it(model, tmp_path):
    command = ["icons", "tiny", "--model", str(model), "--gallery", str(tmp_path / "tiny.gallery")]
    done = CliRunner().invoke(main, command, env={"GARABATO_PORT": "tcp://10.0.0.1:8000"})
    assert done.exit_code == 1
    assert "which Kubernetes sets for a service named garabato" in done.output
