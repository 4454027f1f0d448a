"""Where the demo's drawings come from: what is given, what is here, what can be fetched."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import click

#: Beside a clone of the repository; used where no source is given and it is there.
DEFAULT_SOURCE = Path("../shared/quickdraw/simplified")


@dataclass(frozen=True, slots=True)
class DemoSource:
    """A folder, "starter", or with `is_fetched` the folder to fetch from Google's bucket into.

    `said` names it and says why it was chosen.
    """

    place: Path
    said: str
    is_fetched: bool = False


def choose_source(given: Path | None, fetched: Path) -> DemoSource:
    """The first there is of: `given`, the folder beside, Google's bucket, the starter set.

    `fetched` is where drawings of the bucket go; what an earlier run began there is gone on with.
    """
    if given is not None:
        return DemoSource(given, f"{given}, as given")
    if DEFAULT_SOURCE.is_dir():
        return DemoSource(DEFAULT_SOURCE, f"{DEFAULT_SOURCE}, as none were given")

    from garabato.sources.google_bucket.bucket import why_unreachable
    from garabato.sources.google_bucket.download_record import RECORD
    from garabato.sources.starter import STARTER

    why = f"as none were given and there is no {DEFAULT_SOURCE}"
    if (fetched / RECORD).exists():
        return DemoSource(fetched, "Google's bucket, as in the run before", is_fetched=True)
    problem = why_unreachable()
    if problem is None:
        return DemoSource(fetched, f"a random sample from Google's bucket, {why}", is_fetched=True)
    if shutil.which("npm"):
        said = f"the starter set by npm, {why}, and Google's bucket is out of reach: {problem}"
        return DemoSource(Path(STARTER), said)
    raise click.UsageError(
        f"no drawings: none were given, there is no {DEFAULT_SOURCE} here, Google's bucket is out "
        f"of reach ({problem}), and npm, by which the starter set comes, is not installed. Say "
        "where drawings are, a folder of Google's simplified <category>.ndjson files:\n"
        "  make demo SOURCE=DIR\n"
        "  garabato demo --source DIR"
    )
