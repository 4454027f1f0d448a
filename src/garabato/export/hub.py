"""An encoder as a model repository of the Hugging Face Hub.

`export_hub` writes the folder, `push_to_hub` uploads it, and `load_encoder("hf://owner/name")`
loads it from there.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from importlib import resources
from os import PathLike
from pathlib import Path
from typing import Any

from garabato.dataset.store import front_matter, plain_markdown
from garabato.drawing import DrawingBatch
from garabato.encoder import Encoder, load_encoder
from garabato.encoder.files import ONNX_FILE, WEIGHTS_FILE
from garabato.errors import InputError, MissingExtraError, SourceError, check_opened, storage_errors
from garabato.export.onnx import export_onnx, picture_network
from garabato.host.atomic import write_bytes

#: Where programs that use ONNX on the Hub, such as transformers.js, look for the 8-bit form.
QUANTIZED_FILE = "onnx/model_quantized.onnx"
#: The network for pictures as `preprocessor_config.json` makes them; in transformers.js, the option
#: `model_file_name: "pictures"`.
PICTURES_FILE = "onnx/pictures.onnx"
#: The data set of the shipped encoder, by its name on the Hub.
_QUICKDRAW = "google/quickdraw"
#: Rows of the shipped model card, by the names of metrics on the Hub.
_SHIPPED_SCORES = {
    "accuracy": "top-1",
    "top_5_accuracy": "top-5",
    "mean_average_precision": "mAP, test against test",
}
#: In `config.json`; by it, a folder is known to be an earlier export.
_MODEL_TYPE = "garabato"
#: Stands in cards for the name of a repository that is not known yet.
_ADDRESS = "OWNER/NAME"


def export_hub(
    encoder: Encoder,
    folder: str | PathLike[str],
    *,
    name: str = "garabato encoder",
    license: str | None = None,  # spelled as the Hub does
    datasets: Sequence[str] | None = None,
    results: Mapping[str, float] | None = None,
    calibration: DrawingBatch | None = None,
    run: str | PathLike[str] | None = None,
) -> list[Path]:
    """Write the files of a model repository into `folder`, created if missing.

    Writes `config.json`, `model.safetensors`, `onnx/model.onnx` and `README.md`, the model card,
    whose YAML front matter the Hub reads; and for transformers.js `preprocessor_config.json` and
    `onnx/pictures.onnx`, a network that takes pictures instead of rendered strokes.
    `onnx/model_quantized.onnx`, the 8-bit form, is written if `calibration` has about 500 training
    drawings (see `export_onnx`), and always for the shipped encoder.

    `license` is the licence as the Hub names it, such as "cc-by-4.0". By default the card of the
    shipped encoder states its own, MIT, and other cards state none.

    `datasets` are the names, on the Hub, of the data sets that the encoder was trained on; by
    default none, except Quick, Draw! for the shipped encoder. `results` are metrics on other
    drawings, such as {"accuracy": 0.77}, for the card and its model index; the shipped encoder has
    its own.
    With the run folder `run`, the card ends with the settings and the duration of the training.

    Returns the files. Raises InputError if `folder` holds other files, and EncoderError for an
    encoder in ONNX form.
    """
    check_opened(encoder=encoder)
    encoder.as_pytorch()  # raises before anything is written
    folder = Path(folder)
    names = ["README.md", "config.json", "preprocessor_config.json", WEIGHTS_FILE, ONNX_FILE]
    names.append(PICTURES_FILE)
    _check_folder(folder, names)
    shipped = _shipped_form_of(encoder)
    if shipped is not None:
        license = license or "mit"
        datasets = [_QUICKDRAW] if datasets is None else datasets
        results = results or _shipped_scores()
    with storage_errors(folder):
        (folder / ONNX_FILE).parent.mkdir(parents=True, exist_ok=True)
        (folder / QUANTIZED_FILE).unlink(missing_ok=True)  # of an earlier export
    _write_json(folder / "config.json", _config(encoder))
    encoder.save(folder / WEIGHTS_FILE)
    export_onnx(encoder, folder / ONNX_FILE)
    write_bytes(folder / PICTURES_FILE, picture_network(encoder))
    if calibration is not None:
        export_onnx(encoder, folder / QUANTIZED_FILE, bits=8, calibration=calibration)
    elif shipped is not None:
        export_onnx(shipped, folder / QUANTIZED_FILE)
    if calibration is not None or shipped is not None:
        names.append(QUANTIZED_FILE)
    _write_json(folder / "preprocessor_config.json", _preprocessor(encoder))
    card = front_matter(_metadata(name, license, datasets or [], results or {}))
    card += _card(encoder, name, datasets or [], results or {}, has_8_bits=QUANTIZED_FILE in names)
    if shipped is not None:
        card += _shipped_training()
    elif run is not None:
        card += _training(Path(run))
    write_bytes(folder / "README.md", card.encode())
    return [folder / one for one in names]


def push_to_hub(
    encoder: Encoder,
    repository: str,
    *,
    private: bool = False,
    token: str | None = None,
    **card: Any,
) -> str:
    """Upload an encoder to the model repository "owner/name", created if missing.

    `token` defaults to the one of `hf auth login`; HF_ENDPOINT names another server than
    huggingface.co. `card` are the keyword arguments of `export_hub`, such as `results`. Returns the
    address of the commit. Raises MissingExtraError without the extra `hub`, and SourceError if the
    server refuses.
    """
    try:
        from huggingface_hub import HfApi
    except ImportError:
        raise MissingExtraError("push_to_hub", "hub") from None
    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT"), token=token)
    with tempfile.TemporaryDirectory(prefix="garabato-hub-") as folder:
        export_hub(encoder, folder, **{"name": repository, **card})
        readme = Path(folder) / "README.md"
        readme.write_bytes(readme.read_bytes().replace(_ADDRESS.encode(), repository.encode()))
        try:
            api.create_repo(repository, private=private, exist_ok=True)
            commit = api.upload_folder(
                repo_id=repository,
                folder_path=folder,
                commit_message="Upload encoder",
                delete_patterns="onnx/*",  # forms of an earlier encoder
            )
        except Exception as error:  # errors of its HTTP library have no common base with its own
            raise SourceError(f"cannot upload to {repository}: {error}") from None
    return str(commit.commit_url)


def _check_folder(folder: Path, names: list[str]) -> None:
    """Raise InputError if the folder holds files that are not from an earlier export."""
    if not folder.is_dir():
        return
    others = {entry.name for entry in folder.iterdir()} - {".git", ".gitattributes"}
    config = folder / "config.json"
    if config.is_file() and f'"model_type": "{_MODEL_TYPE}"' in config.read_text(errors="replace"):
        others -= {name.partition("/")[0] for name in names}
    if others:
        raise InputError(f"{folder} holds {', '.join(sorted(others))}; give an empty folder")


def _shipped_form_of(encoder: Encoder) -> Encoder | None:
    """The shipped ONNX form, of 8 bits, if `encoder` is the shipped encoder, else None."""
    shipped = load_encoder()
    if shipped.fingerprint != encoder.fingerprint:
        return None
    return shipped.with_added(encoder.added_categories)


def _shipped_scores() -> dict[str, float]:
    """The scores in the shipped model card, as shares."""
    card = _shipped_card()
    scores = {}
    for name, row in _SHIPPED_SCORES.items():
        found = re.search(rf"^\| {row} \| ([\d.]+)(%)?", card, re.MULTILINE)
        assert found is not None, row
        scores[name] = round(float(found[1]) / (100 if found[2] else 1), 4)
    return scores


def _shipped_card() -> str:
    return (resources.files("garabato") / "pretrained" / "MODEL_CARD.md").read_text()


def _write_json(path: Path, document: Mapping[str, Any]) -> None:
    write_bytes(path, (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode())


def _config(encoder: Encoder) -> dict[str, Any]:
    names = encoder.network_categories
    return {
        "model_type": _MODEL_TYPE,
        "architectures": [encoder.model_name],
        "image_size": encoder.spec.size_px,
        "num_channels": encoder.spec.n_channels,
        "hidden_size": encoder.embedding_dim,
        "num_parameters": encoder.n_parameters,
        "id2label": {str(i): name for i, name in enumerate(names)},
        "label2id": {name: i for i, name in enumerate(names)},
        "temperature": encoder.temperature,
        "unsure_below": encoder.unsure_below,
        "unknown_below": encoder.unknown_below,
        "fingerprint": encoder.fingerprint,
    }


def _preprocessor(encoder: Encoder) -> dict[str, Any]:
    """How transformers and transformers.js prepare pictures; `render` is the spec for strokes."""
    return {
        "image_processor_type": "ViTImageProcessor",
        "do_convert_rgb": True,
        "do_resize": True,
        "size": {"height": encoder.spec.size_px, "width": encoder.spec.size_px},
        "resample": 1,  # Lanczos: with any other filter, transformers.js loses thin lines
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": False,
        "render": encoder.spec.to_dict(),
    }


def _metadata(
    name: str, license: str | None, datasets: Sequence[str], results: Mapping[str, float]
) -> dict[str, Any]:
    """The front matter of the card: https://huggingface.co/docs/hub/model-cards."""
    metadata: dict[str, Any] = {} if license is None else {"license": license}
    metadata |= {
        "library_name": "garabato",
        "pipeline_tag": "image-classification",
        "tags": ["sketch", "drawing", "image-retrieval", "onnx"],
    }
    if datasets:
        metadata["datasets"] = list(datasets)
    metadata["metrics"] = list(results) or ["accuracy"]
    if results:
        measured_on = (
            {"type": datasets[0], "name": datasets[0]}
            if datasets
            else {"type": "own", "name": "own drawings"}
        )
        metadata["model-index"] = [
            {
                "name": name,
                "results": [
                    {
                        "task": {"type": "image-classification"},
                        "dataset": measured_on,
                        "metrics": [
                            {"type": metric, "value": float(value)}
                            for metric, value in results.items()
                        ],
                    }
                ],
            }
        ]
    return metadata


def _card(
    encoder: Encoder,
    name: str,
    datasets: Sequence[str],
    results: Mapping[str, float],
    *,
    has_8_bits: bool,
) -> str:
    categories = encoder.network_categories
    examples = plain_markdown(", ".join(categories[:8])) + (" ..." if len(categories) > 8 else "")
    rows = "\n".join(f"| {metric} | {value:.3f} |" for metric, value in results.items())
    table = f"| metric | value |\n| --- | ---: |\n{rows}\n" if results else "Not measured.\n"
    if results:
        table += "\nMeasured on drawings that were not used for training.\n"
    added = plain_markdown(", ".join(one.name for one in encoder.added_categories))
    more = (
        f"In garabato, but not in transformers.js, it also predicts {added}.\n\n" if added else ""
    )
    trained_on = f" Trained on {plain_markdown(', '.join(datasets))}." if datasets else ""
    spec = encoder.spec
    if spec.style == "reference":
        looks = "with lines 3 px wide on 256 x 256 px"
    else:
        looks = (
            f"with lines {spec.line_width:.1%} of the side wide and a margin of {spec.margin:.0%}"
        )
    quantized = f"`{QUANTIZED_FILE}` is smaller and faster; its results differ slightly.\n"
    return f"""# {plain_markdown(name)}

Classifies hand-drawn sketches into {len(categories)} categories, and turns them into embeddings of
{encoder.embedding_dim} numbers, for finding similar sketches.

Categories: {examples}

{more}## Limitations

- It predicts one of its categories for any image, even photographs and writing. Predictions less
  probable than {encoder.unsure_below:.2f} are marked as unsure.
- It recognises drawings in other styles than its training drawings, such as detailed pencil
  drawings, less often.

## Results

{table}
## Use

```python
import garabato

encoder = garabato.load_encoder("hf://{_ADDRESS}")
drawing = garabato.Drawing([[[10, 90, 90], [10, 10, 90]]])  # strokes: (xs, ys), y pointing down
print(encoder.classify(drawing, k=3))
embeddings = encoder.embed([drawing])  # (1, {encoder.embedding_dim}), length 1
```

In JavaScript, pictures are classified with transformers.js. They must be square, black on white,
{looks}:

```js
import {{ AutoModel, AutoProcessor, RawImage, softmax }} from "@huggingface/transformers";

const processor = await AutoProcessor.from_pretrained("{_ADDRESS}");
const model = await AutoModel.from_pretrained("{_ADDRESS}",
  {{ dtype: "fp32", model_file_name: "pictures" }});
const {{ logits, embeddings }} = await model(await processor(await RawImage.read("drawing.png")));
const probabilities = softmax(logits.data);
console.log(model.config.id2label[probabilities.indexOf(Math.max(...probabilities))]);
```

To classify other pictures or strokes, use garabato in Python or its npm package.

`{ONNX_FILE}` takes drawings rendered by garabato, uint8 with ink 255, and returns `logits` and
`embeddings`.
{quantized if has_8_bits else ""}`config.json` has the categories.

## Technical details

{encoder.model_name}, {encoder.n_parameters:,} weights, images of {encoder.spec.size_px} px,
fingerprint {encoder.fingerprint}.{trained_on}
"""


def _shipped_training() -> str:
    """The sections on data and training of the shipped model card."""
    sections = re.split(r"^(?=## )", _shipped_card(), flags=re.MULTILINE)
    chosen = [one.strip() for one in sections if one.startswith(("## Data", "## Training"))]
    return "".join(f"\n{section}\n" for section in chosen)


def _training(run: Path) -> str:
    """The settings and the duration of the training in a run folder."""
    try:
        settings = (run / "config.toml").read_text()
        last = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
        seconds = last["seconds"]
        time = f"{seconds:.0f} seconds" if seconds < 60 else f"{seconds / 60:.1f} minutes"
        summary = f"{last['step']:,} steps in {time}, with these settings"
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise InputError(f"{run} is not the folder of a finished training: {error!r}") from None
    return f"\n## Training\n\n{summary}:\n\n```toml\n{settings.strip()}\n```\n"
