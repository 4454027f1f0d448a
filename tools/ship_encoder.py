"""Make a trained encoder the one that ships: calibrate it, write it in all forms, and its card.

    python tools/ship_encoder.py runs/next --data runs/all --start 0.6 --focus 2 --balance

The temperature, the unsure threshold and the binary codes are fitted anew, as at the end of a
training, with the same validation part kept out. `--start SHARE` takes the weights between those
the training started from and those it reached (Wortsman et al. 2022, "Robust fine-tuning of
zero-shot models"): it keeps more of what the network knew before. `--focus` changes the embedding
(see `models/skfast.py`) and needs no training. What ships is `encoder.safetensors` for PyTorch and
`encoder.onnx`, which has 8 bits if that costs at most 0.2 points of top-1 on the validation and
test parts together.

Except for doodleNet's, every figure of the card is measured by this command or comes from the run's
folder. With `--report`, a folder of `garabato evaluate --report`, the test part is not measured
again, and the card has the mAP against the training drawings. `--s345` adds the scores of the
preset `shipped` on S345 (`benchmarks/s345.py`), whose test part is large enough for the scores of
single categories.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import tempfile
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from garabato.dataset import Dataset
from garabato.drawing import DrawingBatch, FloatArray, IntArray
from garabato.encoder import FILE_NAME, ONNX_SUFFIX, Encoder, load_encoder
from garabato.encoder.torch_runtime import is_stored_in_half
from garabato.evaluation import evaluate
from garabato.evaluation.metrics import mean_average_precision
from garabato.export import export_onnx
from garabato.host.atomic import write_bytes
from garabato.models import create_model
from garabato.models.skfast import SkFast
from garabato.render import RenderSpec
from garabato.training import TrainConfig
from garabato.training.data import split_off_validation
from garabato.training.finish import Deadline, add_binary_codes, calibrate, fit_stroke_weights

#: doodleNet's top-1 and top-5, the bar for this encoder, on drawings that this project hasn't seen.
DOODLENET = 0.730, 0.935
#: Training drawings that give the ranges for 8 bits.
N_CALIBRATION = 512
#: 8 bits ship if they cost at most this much top-1.
MAX_LOST = 0.002

PRETRAINED = Path(__file__).resolve().parent.parent / "src" / "garabato" / "pretrained"


def main() -> None:
    """Write the encoder and its card."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("encoder", type=Path, metavar="RUN_FOLDER_OR_FILE")
    parser.add_argument("--data", type=Path, required=True, help="the data set it was trained on")
    parser.add_argument(
        "--start", type=float, default=0.0, metavar="SHARE", help="of the weights it started from"
    )
    parser.add_argument(
        "--strokes", type=Path, metavar="RUN_FOLDER_OR_FILE", help="with the stroke branch to take"
    )
    parser.add_argument("--focus", type=float, help="of the embedding; default: as trained")
    parser.add_argument(
        "--stroke-weights",
        type=float,
        nargs=2,
        metavar=("ORDERED", "PICTURE"),
        help="of the stroke branch; default: fitted to the validation part",
    )
    parser.add_argument(
        "--balance",
        action="store_true",
        help="expect all categories equally often, not as often as in the training drawings",
    )
    parser.add_argument(
        "--common-words",
        type=float,
        default=0.0,
        metavar="POWER",
        help="expect categories with common names more often: by this power of their frequency",
    )
    parser.add_argument(
        "--threshold-on",
        choices=["strange", "validation"],
        default="strange",
        help="fit the unsure threshold with strongly varied copies or without; %(default)s",
    )
    parser.add_argument("--validation", type=float, default=0.03, help="share kept out")
    parser.add_argument("--precision", type=float, default=0.9, help="of predictions not unsure")
    parser.add_argument("--seed", type=int, default=0, help="of the training")
    parser.add_argument("--out", type=Path, default=PRETRAINED, help="the package's folder")
    parser.add_argument("--report", type=Path, help="of `garabato evaluate --report`")
    parser.add_argument("--s345", type=Path, help="evaluation.json of preset `shipped` on S345")
    parser.add_argument(
        "--command",
        action="append",
        default=[],
        help="for the card: how it was trained, if not by `garabato train`; can be repeated",
    )
    parser.add_argument("--remark", default="", help="a sentence on how it was trained")
    arguments = parser.parse_args()
    encoder = load_encoder(arguments.encoder, runtime="pytorch", precision="float32")
    if arguments.strokes is not None:
        take_stroke_branch(encoder, arguments.strokes)
    if arguments.start:
        blend_with_start(encoder, arguments.encoder, arguments.start)
    changes: dict[str, Any] = {"priors": True}
    if arguments.focus is not None:
        changes |= {"focus": arguments.focus, "focus_by_confidence": True}
    encoder = rebuilt(encoder, encoder.spec, **changes)
    dataset = Dataset.open(arguments.data)
    config = TrainConfig(validation=arguments.validation, seed=arguments.seed)
    drawings, labels, held_out = split_off_validation(dataset, config)
    assert held_out is not None, "--validation must be more than 0"
    _say("calibrating")
    if arguments.stroke_weights is None:
        fit_stroke_weights(encoder, held_out, Deadline(None))
    else:
        set_stroke_weights(encoder, arguments.stroke_weights)
    trained_on = labels if arguments.balance else None
    set_priors(encoder, trained_on, common_words=0.0)
    without_words = None
    if arguments.common_words:
        found = encoder.predict(held_out[0]).probabilities.argmax(axis=1)
        n_right = np.bincount(held_out[1], found == held_out[1])
        without_words, _ = _balanced_top1(n_right, np.bincount(held_out[1]))
        set_priors(encoder, trained_on, arguments.common_words)
    calibrate(
        encoder,
        held_out,
        arguments.precision,
        Deadline(None),
        with_strange=arguments.threshold_on == "strange",
    )
    _say(f"temperature {encoder.temperature:.3f}, unsure below {encoder.unsure_below:.3f}")
    _say("training binary codes")
    add_binary_codes(encoder, drawings, seed=arguments.seed, deadline=Deadline(None))
    arguments.out.mkdir(exist_ok=True)
    test = dataset.split("test"), dataset.labels("test")
    forms = write_forms(encoder, drawings, _joined(held_out, test), arguments.out)
    shipped = load_encoder(arguments.out / FORM_NAME)
    if arguments.report is None:
        _say("measuring the test part")
        evaluation = evaluate(shipped, dataset, gallery_split=None).to_dict()
    else:
        evaluation = json.loads((arguments.report / "evaluation.json").read_text())
    evaluation["n_gallery"] = len(dataset.split("train"))
    s345 = None if arguments.s345 is None else json.loads(arguments.s345.read_text())
    given = {
        "start": [arguments.start] if arguments.start else [],
        "focus": [arguments.focus] if arguments.focus else [],
        "stroke-weights": arguments.stroke_weights or [],
        "common-words": [arguments.common_words] if arguments.common_words else [],
    }
    options = "".join(
        f" --{name} " + " ".join(f"{value:g}" for value in values)
        for name, values in given.items()
        if values
    )
    options += " --balance" * arguments.balance
    if arguments.strokes is not None:
        options = f" --strokes {arguments.strokes}{options}"
    card = model_card(
        shipped,
        evaluation,
        _trainings(arguments.encoder),
        forms,
        s345,
        arguments.remark,
        options,
        arguments.command,
        without_words,
        arguments.encoder,
    )
    write_bytes(arguments.out / "MODEL_CARD.md", card.encode())
    _say(f"wrote {arguments.out}")


#: The form that answers by default.
FORM_NAME = Path(FILE_NAME).with_suffix(ONNX_SUFFIX).name


def _say(text: str) -> None:
    print(text, flush=True)


def network_of(encoder: Encoder) -> SkFast:
    """The network of an encoder, to change its weights."""
    model = encoder.as_pytorch().model
    if not isinstance(model, SkFast):
        raise SystemExit(f"the network must be skfast, not {model.name}")
    return model


def take_stroke_branch(encoder: Encoder, run: Path) -> None:
    """Replace the stroke branch of an encoder by that of another one."""
    other = load_encoder(run, runtime="pytorch", precision="float32").as_pytorch().model
    branch = {k: v for k, v in other.state_dict().items() if k.startswith("strokes.")}
    encoder.as_pytorch().model.load_state_dict(branch, strict=False)


def blend_with_start(encoder: Encoder, run: Path, share: float) -> None:
    """Move the weights by `share` (0..1) of the way back to those the run started from.

    A file, or a run of tools/train_part.py, started from the encoder that shipped before.
    """
    config = run / "config.toml"
    start_from = "shipped"
    if config.is_file():
        start_from = tomllib.loads(config.read_text())["start_from"]
    started = load_encoder(start_from, runtime="pytorch", precision="float32")
    before = started.as_pytorch().model.state_dict()
    for name, value in encoder.as_pytorch().model.state_dict().items():
        if value.is_floating_point():
            # in half precision where the file stores it so
            blended = value.lerp(before[name].to(value), share)
            value.copy_(blended.half() if is_stored_in_half(value) else blended)


def set_stroke_weights(encoder: Encoder, weights: list[float]) -> None:
    """Set the weights of the stroke branch for drawings with and without a stroke order."""
    network_of(encoder).stroke_weights.data.copy_(torch.tensor(weights))


def set_priors(encoder: Encoder, labels: IntArray | None, common_words: float) -> None:
    """Expect all categories equally often, and those with common names more often.

    With `labels`, the log share of each category in the training drawings is subtracted from its
    logit (Menon et al. 2021, "Long-tail learning via logit adjustment"). People who choose what to
    draw, unlike players who are told, draw a house more often than a barn; the frequency of the
    names in English texts, to the power of `common_words`, stands for that.
    """
    log_priors = np.zeros(len(encoder.network_categories))
    if common_words:
        log_priors += common_words * log_frequencies(encoder.network_categories)
    if labels is not None:
        counts = np.bincount(labels, minlength=len(encoder.categories))
        log_priors -= np.log(counts / counts.mean())
    buffer = network_of(encoder).log_priors
    assert buffer is not None, "`rebuilt` with priors=True makes one"
    buffer.copy_(torch.from_numpy(log_priors))


def log_frequencies(words: Sequence[str]) -> FloatArray:
    """The natural logarithm of how often each word is used in English, 0 on average, (N,)."""
    try:
        from wordfreq import zipf_frequency
    except ImportError:
        raise SystemExit("--common-words needs: pip install wordfreq") from None
    powers_of_ten = np.array([zipf_frequency(word, "en") for word in words])
    frequencies: FloatArray = np.log(10) * (powers_of_ten - powers_of_ten.mean())
    return frequencies


def rebuilt(encoder: Encoder, spec: RenderSpec, **options: Any) -> Encoder:
    """The encoder with another render spec and options; weights that it lacks are random."""
    old = encoder.as_pytorch().model
    model = create_model(
        old.name,
        n_categories=len(encoder.network_categories),
        image_size_px=spec.size_px,
        **(old.options | options),
    )
    model.load_state_dict(model.state_dict() | old.state_dict())
    return Encoder(
        model,
        spec=spec,
        categories=encoder.network_categories,
        temperature=encoder.temperature,
        notes=encoder.notes,
        precision="float32",
    )


#: Drawings and their labels (N,).
Labelled = tuple[DrawingBatch, IntArray]


def _joined(one: Labelled, other: Labelled) -> Labelled:
    return DrawingBatch.concatenate([one[0], other[0]]), np.concatenate([one[1], other[1]])


@dataclass(frozen=True)
class Form:
    """A file the encoder was written to, and its scores on drawings kept out of training."""

    name: str
    top1: float
    balanced_top1: float
    mean_average_precision: float
    agreement: float
    n_drawings: int
    n_bytes: int
    sha256: str
    ships: bool


def write_forms(
    encoder: Encoder,
    drawings: DrawingBatch,
    held_out: Labelled,
    out: Path,
) -> list[Form]:
    """Write the PyTorch form and the better ONNX form into `out`; measure both ONNX forms."""
    order = np.random.default_rng(0).permutation(len(drawings))
    calibration = drawings.take(order[:N_CALIBRATION])
    with tempfile.TemporaryDirectory() as work:
        files = {"float": Path(work) / "float.onnx", "8 bits": Path(work) / "quantized.onnx"}
        _say("writing the ONNX forms")
        export_onnx(encoder, files["float"], bits=32)
        export_onnx(encoder, files["8 bits"], bits=8, calibration=calibration)
        _say("measuring them")
        given = {name: load_encoder(file).predict(held_out[0]) for name, file in files.items()}
        best = {name: output.probabilities.argmax(axis=1) for name, output in given.items()}
        labels = held_out[1]
        top1 = {name: float((found == labels).mean()) for name, found in best.items()}
        ships = "8 bits" if top1["8 bits"] >= top1["float"] - MAX_LOST else "float"
        forms = [
            Form(
                name,
                top1[name],
                _balanced_top1(np.bincount(labels, found == labels), np.bincount(labels))[0],
                float(mean_average_precision(given[name].embeddings, labels)),
                float((found == best["float"]).mean()),
                len(labels),
                files[name].stat().st_size,
                hashlib.sha256(files[name].read_bytes()).hexdigest(),
                name == ships,
            )
            for name, found in best.items()
        ]
        for form in forms:
            _say(
                f"{form.name}: top-1 {form.top1:.4f} (categories equally: "
                f"{form.balanced_top1:.4f}), mAP {form.mean_average_precision:.4f}, best "
                f"category as in float {form.agreement:.4f}, {form.n_bytes:,} bytes"
            )
        _say(f"ships: {ships}")
        encoder.save(out / FILE_NAME)
        write_bytes(out / FORM_NAME, files[ships].read_bytes())
    return forms


def _balanced_top1(n_right: npt.ArrayLike, n: npt.ArrayLike) -> tuple[float, float]:
    """The mean over the categories of their top-1, and its standard error.

    `n_right` (C,) of `n` (C,) drawings of each category are right; categories without any don't
    count.
    """
    n = np.asarray(n)
    top1 = np.asarray(n_right)[n > 0] / n[n > 0]
    variances = top1 * (1 - top1) / np.maximum(n[n > 0] - 1, 1)  # of each top-1, unbiased
    return float(top1.mean()), math.sqrt(variances.sum()) / len(top1)


@dataclass(frozen=True)
class Training:
    """A run: its settings as TOML, and the last line of its metrics."""

    run: Path
    config: str
    last: dict[str, Any]

    def told(self) -> str:
        """Its steps and minutes, in a line."""
        return f"{self.last['step']:,} steps in {self.last['seconds'] / 60:.0f} minutes"

    def command(self, settings: str) -> str:
        """The command, with a preset's name or a file of settings."""
        minutes = tomllib.loads(self.config)["minutes"]
        where = f"--data runs/all --out {self.run}"
        return f"garabato train {where} --preset {settings} --minutes {minutes:g}"


def _trainings(run: Path) -> list[Training]:
    """The run, after the runs it started from whose folders exist."""
    run = run if run.is_dir() else run.parent
    if not (run / "metrics.jsonl").is_file():
        return []
    config = (run / "config.toml").read_text()
    lines = (run / "metrics.jsonl").read_text().splitlines()
    earlier = tomllib.loads(config).get("start_from")
    before = [] if earlier is None else _trainings(Path(earlier))
    return [*before, Training(run, config, json.loads(lines[-1]))]


def model_card(
    encoder: Encoder,
    evaluation: dict[str, Any],
    trainings: list[Training],
    forms: list[Form],
    s345: dict[str, Any] | None = None,
    remark: str = "",
    options: str = "",
    given_commands: Sequence[str] = (),
    without_words: float | None = None,
    run: Path = Path("runs/part"),
) -> str:
    """The card as Markdown; `trainings` in their order, each starting from the one before.
    `options` were given to this command; `given_commands` trained it if `trainings` is empty.
    `run` is what this command was given then.
    `without_words` is the balanced top-1 on the validation part without `--common-words`.

    With the evaluation `s345` of the preset `shipped` on S345, scores by category are that one's.
    """
    files = [f"training{i + 1}.toml" for i in range(len(trainings))]
    commands = [t.command(file) for t, file in zip(trainings, files, strict=True)]
    commands += given_commands
    told, settings = _told(trainings, files)
    promised = f"{100 * (encoder.unsure_precision or 0):.0f}%"
    right = f"{100 * evaluation['partial_top1']['50']:.0f}%"
    half = f"{right} of\n  {evaluation['n_drawings']:,} drawings"
    if s345 is not None:
        half += f" (S345: {100 * s345['partial_top1']['50']:.0f}% of {s345['n_drawings']:,})"
    run = trainings[-1].run if trainings else run
    newline = "\n"
    expects = ""
    if "--balance" in options:
        expects += (
            " Its predictions don't favour categories\nwith many training drawings, so this is the "
            "figure for data in which all categories are equally\nfrequent."
        )
    if without_words is not None:
        expects += (
            "\n\nPredictions favour categories whose names are common words: people who choose "
            "what to draw,\nunlike players who are told, draw a house more often than a barn. The "
            "frequencies are those of the\npackage wordfreq (Speer 2022, CC BY-SA 4.0). Without "
            "this, the top-1 of the validation part,\ncategories weighted equally, is "
            f"{100 * without_words:.2f}% in float."
        )
    return f"""# The encoder that ships

`{encoder.model_name}`, {encoder.n_parameters:,} weights, {len(encoder.categories)} categories of
*Quick, Draw!*, images of {encoder.spec.size_px} px, embeddings of {encoder.embedding_dim} floats.
Fingerprint {encoder.fingerprint}. Written by `tools/ship_encoder.py`.

## Data

{evaluation["n_gallery"]:,} drawings, at most 600 of a category, out of a sample of Google's public
*Quick, Draw!* data (CC BY 4.0). The sample has about 118,000 drawings; the game recognised a larger
share of them than of the whole data. The test drawings were held out, from the same sample.

## Training

```
garabato prepare --source SAMPLE --out runs/all --categories all --train 600 --test 6 --allow-short
{newline.join(commands)}
python tools/ship_encoder.py {run} --data runs/all{options}
```

{told}A training with a time budget gives slightly different weights each time. {remark}

{settings}## Scores

{_scores(evaluation, s345)}

"±" is one standard error, over the choice of test drawings. doodleNet, a public network that
learned from 50,000 drawings of each category, reaches {100 * DOODLENET[0]:.1f}% and
{100 * DOODLENET[1]:.1f}% on other drawings, which this project has not seen. The calibration error
of a thousand drawings in 15 bins is overestimated, because every bin has noise.{_about(s345)}

{_about_forms(forms)}

The temperature, {encoder.temperature:.3f}, and the threshold for unsure predictions,
{encoder.unsure_below:.3f}, were fitted to the validation part. Predictions above the threshold were
right {promised} of the time on that part together with strongly varied copies of its drawings.
All scores are of drawings from the sample, with as many of a category as it has; weighted equally,
categories with few drawings count as much as the others.{expects}

Embeddings are features pulled towards the directions of the likely categories (`focus` in
`models/skfast.py`), so drawings with the same prediction are closer to each other. This raises the
mAP above, which is that of categories it was trained on.

## Limitations

- It knows {len(encoder.categories)} categories and predicts one of them for every drawing. It
  marks some drawings of no category as `unknown` and more of them as `unsure`, but not all.
- It learned from drawings made in about 20 seconds with a mouse or a finger. It is less accurate on
  careful drawings, and was not trained on writing or photographs.
- Some categories overlap (cup, mug, coffee cup; pond, river, ocean) and are often confused.
- Unfinished drawings are hard: from half of the ink it is right for {half}.

{_by_category(evaluation, s345)}
"""


def _told(trainings: list[Training], files: list[str]) -> tuple[str, str]:
    """A description of the trainings, and all their settings; empty without records."""
    if not trainings:
        return "", ""
    settings = "\n".join(
        f"{file}:\n\n```toml\n{t.config}```\n" for t, file in zip(trainings, files, strict=True)
    )
    told = ", then ".join(training.told() for training in trainings)
    return (
        f"Seed 0, {told}, on one CPU core (OMP_NUM_THREADS=1) of a machine that did other work "
        "beside it. Each\ntraining starts with the weights of the one before."
        f"{_taught(trainings)} ",
        f"<details><summary>All settings</summary>\n\n{settings}\n</details>\n\n",
    )


def _taught(trainings: list[Training]) -> str:
    """A sentence on the teachers of the last training, if it had any."""
    teachers = tomllib.loads(trainings[-1].config).get("teachers", []) if trainings else []
    if not teachers:
        return ""
    named = " and ".join(f"`{teacher}`" for teacher in teachers)
    return f" In the last one\nit learned the answers of {named}, too, which took a second core."


def _about_forms(forms: list[Form]) -> str:
    """Both ONNX forms side by side."""
    if not forms:
        return ""
    lines = [
        f"On the validation and test parts ({forms[0].n_drawings:,} drawings, not trained on),\n"
        "which also decided the form that ships:",
        "",
        "| ONNX form | top-1 | top-1, categories equally | mAP | best category as in float | bytes "
        "| SHA-256 |",
        "| --- | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    for form in forms:
        name = f"{form.name} (ships)" if form.ships else form.name
        lines.append(
            f"| {name} | {100 * form.top1:.2f}% | {100 * form.balanced_top1:.2f}% | "
            f"{form.mean_average_precision:.3f} | "
            f"{100 * form.agreement:.1f}% | {form.n_bytes:,} | `{form.sha256}` |"
        )
    return "\n".join(lines)


def _about(s345: dict[str, Any] | None) -> str:
    """A sentence on S345."""
    if s345 is None:
        return ""
    return (
        " S345 is 200\ndrawings of each category to train on and 25 to test, and one training with "
        "the preset\n`shipped`."
    )


def _scores(evaluation: dict[str, Any], s345: dict[str, Any] | None) -> str:
    """The encoder's scores, beside those of the preset `shipped` on S345."""
    columns = {"this encoder": evaluation} | (
        {} if s345 is None else {"preset `shipped` on S345": s345}
    )
    rows = {
        "held-out drawings": "{n_drawings:,}",
        "top-1": "{top1:.1%} ± {top1_error:.1%}",
        "top-1, categories weighted equally": "{balanced_top1:.1%} ± {balanced_top1_error:.1%}",
        "top-5": "{top5:.1%} ± {top5_error:.1%}",
        "mAP, test against test": "{map:.3f}",
        "mAP, against the training drawings": "{map_gallery:.3f}",
        "expected calibration error": "{ece:.3f}",
    }
    shares = evaluation["partial_top1"]
    rows |= {f"top-1 with {share}% of the ink": f"{{ink{share}:.1%}}" for share in shares}
    found = [_figures(column) for column in columns.values()]
    lines = [f"| | {' | '.join(columns)} |", "| --- |" + " ---: |" * len(columns)]
    for what, text in rows.items():
        cells = [_cell(text, figures) for figures in found]
        lines.append(f"| {what} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(text: str, figures: dict[str, Any]) -> str:
    """The figure as text; a dash if it was not measured."""
    try:
        return text.format(**figures)
    except (KeyError, TypeError):
        return "-"


def _figures(evaluation: dict[str, Any]) -> dict[str, Any]:
    """The evaluation with standard errors of its shares, and shares of the ink by name."""
    shares = {f"ink{share}": top1 for share, top1 in evaluation["partial_top1"].items()}
    errors = {
        f"{name}_error": math.sqrt(evaluation[name] * (1 - evaluation[name]))
        / math.sqrt(evaluation["n_drawings"])
        for name in ("top1", "top5")
    }
    known = [one for one in evaluation["per_category"].values() if one["top1"] is not None]
    n = [one["n_drawings"] for one in known]
    top1, error = _balanced_top1([one["top1"] * one["n_drawings"] for one in known], n)
    return evaluation | shares | errors | {"balanced_top1": top1, "balanced_top1_error": error}


def _by_category(evaluation: dict[str, Any], s345: dict[str, Any] | None) -> str:
    """The score of each category, lowest first, from the evaluation with most drawings of each."""
    if s345 is None:
        about = "With so few test drawings per category, these figures are only rough."
    else:
        about = (
            "Of a training with the preset `shipped` on S345, where it learned from 200 of each "
            f"category, on {s345['n_drawings']:,} test drawings: with 25 of a category, a score "
            "has a standard error of about nine points."
        )
    found = (s345 or evaluation)["per_category"]
    ranked = sorted(found.items(), key=lambda item: item[1]["top1"])
    head = ["## Accuracy by category, lowest first", "", about, ""]
    head += ["| category | test drawings | top-1, % |", "| --- | ---: | ---: |"]
    return "\n".join(
        [*head, *(f"| {k} | {v['n_drawings']} | {100 * v['top1']:.0f} |" for k, v in ranked)]
    )


if __name__ == "__main__":
    main()
