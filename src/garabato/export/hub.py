"""An encoder as a model repository of the Hugging Face Hub.

`export_hub` writes the folder, `push_to_hub` uploads it, and `load_encoder("hf://owner/name")`
loads it from there.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from garabato.encoder import Encoder
from garabato.encoder.hub import ONNX_FILE, WEIGHTS_FILE
from garabato.errors import InputError, MissingExtraError, SourceError, storage_errors
from garabato.export.onnx import export_onnx
from garabato.host.atomic import write_bytes


def export_hub(
    encoder: Encoder,
    folder: str | PathLike[str],
    *,
    name: str = "garabato encoder",
    license: str = "mit",  # the word that the Hub uses
    results: Mapping[str, float] | None = None,
) -> list[Path]:
    """Write the files of a model repository into `folder`, which is made if needed.

    Writes `config.json`, `preprocessor_config.json`, `model.safetensors`, `onnx/model.onnx` and
    `README.md`, whose YAML front matter the Hub reads. `results` are measures on Quick, Draw!'s
    test drawings, such as {"accuracy": 0.77}; they stand in the card and its model index. Returns
    the files. Raises InputError if `folder` holds other files, and EncoderError for an encoder in
    ONNX form.
    """
    folder = Path(folder)
    names = ["README.md", "config.json", "preprocessor_config.json", WEIGHTS_FILE, ONNX_FILE]
    _check_folder(folder, names)
    with storage_errors(folder):
        (folder / ONNX_FILE).parent.mkdir(parents=True, exist_ok=True)
    encoder.save(folder / WEIGHTS_FILE)
    export_onnx(encoder, folder / ONNX_FILE)
    _write_json(folder / "config.json", _config(encoder))
    _write_json(folder / "preprocessor_config.json", _preprocessor(encoder))
    card = _front_matter(name, license, results or {}) + _card(encoder, name, results or {})
    write_bytes(folder / "README.md", card.encode())
    return [folder / one for one in names]


def push_to_hub(
    encoder: Encoder,
    repository: str,
    *,
    private: bool = False,
    token: str | None = None,
    license: str = "mit",
    results: Mapping[str, float] | None = None,
) -> str:
    """Upload an encoder to the model repository "owner/name", which is made if needed.

    `token` defaults to the one of `hf auth login`; HF_ENDPOINT names another server than
    huggingface.co. Returns the address of the commit. Raises MissingExtraError without the extra
    `hub`, and SourceError if the server refuses.
    """
    try:
        from huggingface_hub import HfApi
    except ImportError:
        raise MissingExtraError("push_to_hub", "hub") from None
    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT"), token=token)
    with tempfile.TemporaryDirectory(prefix="garabato-hub-") as folder:
        export_hub(encoder, folder, name=repository, license=license, results=results)
        try:
            api.create_repo(repository, private=private, exist_ok=True)
            commit = api.upload_folder(
                repo_id=repository, folder_path=folder, commit_message="Upload encoder"
            )
        except (OSError, ValueError) as error:  # the base of its errors
            raise SourceError(f"cannot upload to {repository}: {error}") from None
    return str(commit.commit_url)


def _check_folder(folder: Path, names: list[str]) -> None:
    """Raise InputError if the folder holds files that an earlier export did not write."""
    if folder.is_dir():
        ours = {name.partition("/")[0] for name in names}
        others = sorted(entry.name for entry in folder.iterdir() if entry.name not in ours)
        others = [name for name in others if name not in (".git", ".gitattributes")]
        if others:
            raise InputError(f"{folder} holds {', '.join(others)}; give an empty folder")


def _config(encoder: Encoder) -> dict[str, Any]:
    names = encoder.network_categories
    return {
        "model_type": "garabato",
        "architectures": [encoder.model_name],
        "image_size": encoder.spec.size_px,
        "num_channels": encoder.spec.n_channels,
        "hidden_size": encoder.embedding_dim,
        "num_parameters": encoder.n_parameters,
        "id2label": {str(i): name for i, name in enumerate(names)},
        "label2id": {name: i for i, name in enumerate(names)},
        "temperature": encoder.temperature,
        "unsure_below": encoder.unsure_below,
        "fingerprint": encoder.fingerprint,
    }


def _preprocessor(encoder: Encoder) -> dict[str, Any]:
    """What a program that only has pictures does first; `render` says what it stands for."""
    size = {"height": encoder.spec.size_px, "width": encoder.spec.size_px}
    return {
        "image_processor_type": "garabato",
        "do_resize": True,
        "size": size,
        "do_rescale": False,
        "do_normalize": False,
        "ink_value": 255,
        "input": "uint8, (N, height, width) or with a last axis of 3 channels, ink 255",
        "render": encoder.spec.to_dict(),
    }


def _front_matter(name: str, license: str, results: Mapping[str, float]) -> str:
    """The YAML between two lines of dashes; JSON is YAML, so texts need no other quoting."""
    metadata: dict[str, Any] = {
        "license": license,
        "library_name": "garabato",
        "pipeline_tag": "image-classification",
        "tags": ["sketch", "drawing", "quickdraw", "image-retrieval", "onnx"],
        "datasets": ["google/quickdraw"],
        "metrics": list(results) or ["accuracy"],
    }
    if results:
        metadata["model-index"] = [
            {
                "name": name,
                "results": [
                    {
                        "task": {"type": "image-classification"},
                        "dataset": {"type": "google/quickdraw", "name": "Quick, Draw!"},
                        "metrics": [
                            {"type": measure, "value": value} for measure, value in results.items()
                        ],
                    }
                ],
            }
        ]
    lines = (f"{key}: {json.dumps(value, ensure_ascii=False)}\n" for key, value in metadata.items())
    return f"---\n{''.join(lines)}---\n\n"


def _card(encoder: Encoder, name: str, results: Mapping[str, float]) -> str:
    categories = encoder.network_categories
    examples = ", ".join(categories[:8]) + (" ..." if len(categories) > 8 else "")
    measures = "\n".join(f"| {measure} | {value:.3f} |" for measure, value in results.items())
    table = f"| measure | value |\n| --- | ---: |\n{measures}\n" if results else "Not measured.\n"
    added = ", ".join(one.name for one in encoder.added_categories)
    more = f"Added from a few drawings each, without training: {added}.\n\n" if added else ""
    return f"""# {name}

Classifies hand-drawn sketches into {len(categories)} categories ({examples}) and turns them into
embeddings of {encoder.embedding_dim} numbers, for finding similar sketches.

{more}## What it can't do

- It answers with one of its categories for anything, photographs and writing too. Answers less
  probable than {encoder.unsure_below:.2f} are marked as unsure.
- Drawings in another style than those it was trained on, such as detailed pencil drawings, are
  recognised less often.

## Measures

{table}
## Use

```python
import garabato

encoder = garabato.load_encoder("hf://OWNER/NAME")
drawing = garabato.Drawing([[[10, 90, 90], [10, 10, 90]]])  # strokes: (xs, ys), y pointing down
print(encoder.classify(drawing, k=3))
embeddings = encoder.embed([drawing])  # (1, {encoder.embedding_dim}), length 1
```

`onnx/model.onnx` takes images as uint8 with ink 255 and returns `logits` and `embeddings`;
`preprocessor_config.json` says how drawings become images, `config.json` has the categories.

## Technical details

{encoder.model_name}, {encoder.n_parameters:,} weights, images of {encoder.spec.size_px} px,
fingerprint {encoder.fingerprint}.
"""


def _write_json(path: Path, document: Mapping[str, Any]) -> None:
    write_bytes(path, (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode())
