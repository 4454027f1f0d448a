"""Encoder files: find, check, load and save them.

An encoder file is safetensors (weights, and a JSON header in the metadata) or ONNX (the same header
in the metadata). Everything in a file is checked; a damaged file raises EncoderError.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from importlib import resources
from os import PathLike
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from garabato.encoder.binary_codes import BinaryCoder
from garabato.encoder.encoder import FORMAT, FORMAT_VERSION, Encoder, Runtime
from garabato.encoder.few_shot import AddedCategory, load_categories
from garabato.errors import (
    EncoderError,
    GarabatoError,
    InputError,
    MissingExtraError,
    StorageError,
    check_choice,
    check_opened,
    did_you_mean,
    first_line,
    storage_errors,
)
from garabato.host.atomic import write_bytes
from garabato.render import RenderSpec

if TYPE_CHECKING:  # PyTorch is imported only if an encoder runs on it
    import torch

    from garabato.encoder.torch_runtime import Precision, TorchRuntime

#: The encoder file in a run folder.
FILE_NAME = "encoder.safetensors"
ONNX_SUFFIX = ".onnx"
#: Beside `run/encoder.safetensors`, its added categories are in `run/encoder.categories.json`.
CATEGORIES_SUFFIX = ".categories.json"
#: Given as a path: the encoder that ships with garabato.
SHIPPED = "shipped"

#: The header's entry for the SHA-256 of the whole file, taken while the digits of this entry are 0.
CHECKSUM = "sha256"
_NO_CHECKSUM = 64 * "0"

RuntimeName = Literal["auto", "pytorch"]

#: The files that `garabato.export_hub` writes.
WEIGHTS_FILE = "model.safetensors"
ONNX_FILE = "onnx/model.onnx"
_SCHEME = "hf://"
_WHAT_IS_ONE = (
    "give an encoder file, a run folder of `garabato train`, `shipped` or hf://OWNER/NAME"
)
_ADDRESS = re.compile(r"hf://(?P<repository>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?")


def load_encoder(
    path: str | PathLike[str] | None = None,
    *,
    categories: str | PathLike[str] | None = None,
    runtime: RuntimeName = "auto",
    device: str | torch.device = "cpu",
    precision: Precision = "auto",
) -> Encoder:
    """Load an encoder from a file or a run folder; without `path`, or "shipped", the shipped one.

    "hf://owner/name" loads one from the Hugging Face Hub (extra `hub`), in ONNX form on the CPU. A
    folder with the files of such a repository, downloaded or exported, loads in the same way.

    ONNX Runtime runs `.onnx` files, on the CPU, and PyTorch runs `.safetensors` files, on `device`.
    `device` is "cpu", "cuda", "cuda:1" ..., or "auto": CUDA if available. The shipped encoder comes
    in both forms: ONNX Runtime runs it on the CPU, unless `runtime` is "pytorch".

    With `precision` "auto", PyTorch computes long batches in bfloat16 if the CPU supports it: twice
    as fast, embeddings differ in the fourth digit (docs/export.md). "float32" never does.

    `categories` is a file with categories that were added to this encoder, as `garabato categories
    add` writes it. Without it, such a file beside the encoder is read, if there is one:
    `run/encoder.categories.json` beside `run/encoder.safetensors`.

    Raises EncoderError if there is no encoder, or a file is damaged, InputError for a device that
    is not there, and MissingExtraError if PyTorch is needed and not installed.
    """
    encoder = load_encoder_alone(path, runtime=runtime, device=device, precision=precision)
    return with_categories_file(encoder, path, categories)


def with_categories_file(
    encoder: Encoder,
    path: str | PathLike[str] | None,
    categories: str | PathLike[str] | None = None,
) -> Encoder:
    """The encoder of `path` with the categories of a file, as `load_encoder` finds it."""
    check_opened(encoder=encoder)
    if categories is None:
        if path is None or path == SHIPPED or is_hub_address(path):
            return encoder
        categories = categories_file(path)
        if not categories.is_file():
            return encoder
    loaded = load_categories(
        categories,
        fingerprint=encoder.fingerprint,
        n_categories=len(encoder.network_categories),
    )
    added = {one.name: one for one in (*encoder.added_categories, *loaded)}
    try:
        return encoder.with_added(added.values())
    except InputError as error:
        raise EncoderError(f"the encoder cannot use {categories}: {error}") from None


def categories_file(path: str | PathLike[str] | None) -> Path:
    """Where `load_encoder` looks for categories added to an encoder: beside its file.

    Raises EncoderError for the shipped encoder, whose folder belongs to the installation, and for
    one from the Hub.
    """
    if path is None or path == SHIPPED or is_hub_address(path):
        raise EncoderError(
            "categories that are added to the encoder that ships, or to one from the Hub, need a "
            "file of their own; name it: --categories my.categories.json"
        )
    file = encoder_file(path)
    return file.with_name(file.stem + CATEGORIES_SUFFIX)


def lock_categories(file: str | PathLike[str]) -> AbstractContextManager[object]:
    """A context manager that holds a file of added categories against other processes.

    Load the categories, change and save them inside it, so that no other change is lost. Raises
    StorageError.
    """
    from filelock import FileLock

    path = Path(file)
    if not path.parent.is_dir():
        raise StorageError(f"cannot write {path}: there is no folder {path.parent}; create it")
    with storage_errors(path):
        return FileLock(path.with_name(f".{path.name}.lock")).acquire()


def load_encoder_alone(
    path: str | PathLike[str] | None,
    *,
    runtime: RuntimeName = "auto",
    device: str | torch.device = "cpu",
    precision: Precision = "auto",
) -> Encoder:
    """Like `load_encoder`, but without a file of added categories."""
    check_choice("runtime", runtime, get_args(RuntimeName))
    check_choice("precision", precision, ("auto", "float32"))
    wants_onnx = runtime == "auto" and str(device) == "cpu"
    file = encoder_file(path, in_onnx=wants_onnx)
    if file.suffix == ONNX_SUFFIX:
        if runtime == "pytorch":
            raise EncoderError(
                f"PyTorch cannot run {file}; load the .safetensors file it was exported from"
            )
        return _load_onnx(file)
    return _load_weights(file, device=device, precision=precision, else_onnx=wants_onnx)


def encoder_file(path: str | PathLike[str] | None, *, in_onnx: bool = False) -> Path:
    """The file that `load_encoder` reads: `path` itself, the one in its folder, or the shipped.

    The shipped encoder and repositories of the Hub hold two: one for PyTorch, or with `in_onnx` one
    for ONNX Runtime. For "hf://owner/name", downloads it. Raises EncoderError if there is none.
    """
    if path is None or path == SHIPPED:
        file = Path(str(resources.files("garabato") / "pretrained" / FILE_NAME))
        return file.with_suffix(ONNX_SUFFIX) if in_onnx else file
    if is_hub_address(path):
        return download_encoder(str(path), in_onnx=in_onnx)
    file = Path(path)
    if file.is_dir():
        in_repository = file / (ONNX_FILE if in_onnx else WEIGHTS_FILE)
        file = file / FILE_NAME
        if in_repository.is_file() and not file.exists():
            return in_repository
        if not file.is_file():
            command = f"garabato train --data DATA --out {quote(str(path))}"
            if (file.parent / "checkpoint.pt").exists():
                fix = f"finish the training: {command} --resume"
            else:
                fix = f"train one: {command}"
            raise EncoderError(f"there is no {FILE_NAME} in {path}; {fix}")
    if not file.is_file():
        hint = did_you_mean(str(path), [SHIPPED], otherwise=_WHAT_IS_ONE)
        raise EncoderError(f"there is no encoder at {path}{hint}")
    return file


def save_encoder(encoder: Encoder, path: str | PathLike[str]) -> None:
    """Write an encoder that PyTorch runs to one safetensors file, atomically.

    Raises StorageError, and EncoderError for an encoder in ONNX form or with NaN in its weights.
    """
    runtime = encoder.as_pytorch()
    from safetensors.torch import save  # comes with PyTorch in the extra `train`

    weights = runtime.stored_weights()
    try:
        _check_weights(weights, weights)
    except ValueError as error:
        raise EncoderError(f"cannot save this encoder: {error}") from None
    header = encoder.description() | {"options": runtime.model.options}
    write_bytes(path, with_checksum(lambda text: save(weights, {FORMAT: text}), header))


def with_checksum(write: Callable[[str], bytes], header: dict[str, Any]) -> bytes:
    """The file that `write` makes of a header as JSON, with the checksum of the file in it."""

    def with_digits(digits: str) -> bytes:
        return write(json.dumps(header | {CHECKSUM: digits}, ensure_ascii=False))

    return with_digits(hashlib.sha256(with_digits(_NO_CHECKSUM)).hexdigest())


def is_hub_address(path: object) -> bool:
    """Whether `path` is the address of a repository."""
    return isinstance(path, str) and path.startswith(_SCHEME)


def download_encoder(address: str, *, in_onnx: bool) -> Path:
    """Download the encoder at `address` and return its file, which huggingface_hub caches.

    HF_ENDPOINT names another server than huggingface.co, HF_TOKEN a token. Raises EncoderError and,
    without the extra `hub`, MissingExtraError.
    """
    found = _ADDRESS.fullmatch(address)
    if found is None:
        raise EncoderError(f"{address!r} is not an address such as hf://owner/name@revision")
    try:
        from huggingface_hub import (
            get_hf_file_metadata,
            hf_hub_download,
            hf_hub_url,
            try_to_load_from_cache,
        )
    except ImportError:
        raise MissingExtraError("loading an encoder from the Hub", "hub") from None
    repository, revision = found["repository"], found["revision"]
    endpoint = os.environ.get("HF_ENDPOINT")
    file = ONNX_FILE if in_onnx else WEIGHTS_FILE
    try:
        if not isinstance(try_to_load_from_cache(repository, file, revision=revision), str):
            # Without a network, this raises at once; the download would be tried for 25 s.
            get_hf_file_metadata(hf_hub_url(repository, file, revision=revision, endpoint=endpoint))
        return Path(hf_hub_download(repository, file, revision=revision, endpoint=endpoint))
    except Exception as error:  # errors of its HTTP library have no common base with its own
        raise EncoderError(
            f"cannot download {file} of {address}: {first_line(error)}; check the address and the "
            "network, and set HF_TOKEN if the repository is private"
        ) from None


def _load_onnx(file: Path) -> Encoder:
    from garabato.encoder.onnx_runtime import OnnxRuntime, open_session

    session, header_text, content = open_session(file, FORMAT)
    header = _parse_header(header_text, content, file)

    return _build(header, file, lambda spec: OnnxRuntime(session, header, content))


def _check_outputs(runtime: Runtime, spec: RenderSpec, *, n_categories: int) -> None:
    """Raise ValueError if the network does not fit the header, or computes NaN for an empty image.

    Weights in an ONNX file can't be looked at without another package, and the options of a network
    are known to the network alone.
    """
    try:
        logits, embeddings = runtime.run(np.zeros((1, *spec.image_shape), np.uint8))
    except Exception as error:  # ONNX Runtime's error classes have no common base
        raise ValueError(
            f"its network cannot run on images of shape {spec.image_shape} ({first_line(error)})"
        ) from None
    for name, values, length in (
        ("categories", logits, n_categories),
        ("numbers in an embedding", embeddings, runtime.embedding_dim),
    ):
        if values.shape != (1, length):
            n_given = values.shape[-1]
            raise ValueError(f"its header says {length} {name}, but its network has {n_given}")
        if not np.isfinite(values).all():
            raise ValueError("its network computes NaN or infinity")


def _parse_header(text: str, content: bytes, file: Path) -> dict[str, Any]:
    """The header of a file, which older files give no checksum. Raises EncoderError."""
    try:
        header = json.loads(text)
    except ValueError as error:
        raise EncoderError(f"{file} is damaged: its header is not JSON ({error})") from None
    if not isinstance(header, dict):
        raise EncoderError(f"{file} is damaged: its header is not a JSON object")
    if header.get("version") != FORMAT_VERSION:
        raise EncoderError(
            f"{file} has format version {header.get('version')}, this version of garabato reads "
            f"{FORMAT_VERSION}; use the version of garabato that wrote it or train again"
        )
    if CHECKSUM in header and not _has_checksum(content, str(header[CHECKSUM])):
        raise EncoderError(f"{file} is damaged: its checksum does not match; copy the file again")
    return header


def _has_checksum(content: bytes, digits: str) -> bool:
    """Whether `digits` are the checksum of a file, taken while they are 0 themselves."""
    if len(digits) != len(_NO_CHECKSUM):
        return False
    without = content.replace(digits.encode(), _NO_CHECKSUM.encode())
    return hashlib.sha256(without).hexdigest() == digits


def _build(
    header: dict[str, Any], file: Path, build_runtime: Callable[[RenderSpec], Runtime]
) -> Encoder:
    """The encoder that the header describes. Raises EncoderError naming `file`."""
    try:
        _check_header(header)
        spec = RenderSpec.from_dict(header["render"])
        runtime = build_runtime(spec)
        _check_outputs(runtime, spec, n_categories=len(header["categories"]))
        return Encoder(
            runtime,
            spec=spec,
            categories=header["categories"],
            temperature=header.get("temperature", 1.0),
            unsure_below=header.get("unsure_below"),
            unsure_precision=header.get("unsure_precision"),
            unknown_below=header.get("unknown_below"),
            coders={
                int(n_bits): BinaryCoder.from_dict(plain)
                for n_bits, plain in header.get("codes", {}).items()
            },
            notes=header.get("notes"),
            added_categories=[
                AddedCategory.from_dict(one, len(header["categories"]))
                for one in header.get("added_categories", [])
            ],
        )
    except (KeyError, TypeError, AttributeError, ValueError, RuntimeError, GarabatoError) as error:
        raise EncoderError(f"{file} is damaged: {error}") from None


def _check_header(header: dict[str, Any]) -> None:
    """Raise ValueError, naming the field, for values that no encoder has."""
    categories = header["categories"]
    if not isinstance(categories, list) or not categories:
        raise ValueError(f"categories must be a list of names, not {categories!r}")
    for name in categories:
        if not isinstance(name, str) or not name.strip():
            raise ValueError(f"categories must be names, not {name!r}")
    temperature = header.get("temperature", 1.0)
    if not _is_number(temperature) or not 1e-3 <= temperature <= 1e3:
        raise ValueError(f"temperature must be a number in 0.001..1000, not {temperature!r}")
    for name in ("unsure_below", "unsure_precision", "unknown_below"):
        value = header.get(name)
        if value is not None and (not _is_number(value) or value < 0):
            raise ValueError(f"{name} must be a number of at least 0, or null, not {value!r}")


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= sys.float_info.max


def _load_weights(
    file: Path, *, device: str | torch.device, precision: Precision, else_onnx: bool
) -> Encoder:
    """Load an encoder from a safetensors file.

    With `else_onnx`, the error for a missing PyTorch names an ONNX file as the alternative.
    """
    try:
        from safetensors import SafetensorError, safe_open

        from garabato.encoder.torch_runtime import TorchRuntime, choose_device
        from garabato.models import create_model
    except ModuleNotFoundError:
        raise MissingExtraError(
            f"{file} (an encoder in PyTorch's form)",
            "train",
            "or use the encoder in ONNX form, which `garabato export onnx` writes"
            if else_onnx
            else "",
        ) from None
    device = choose_device(device)
    try:
        with safe_open(file, framework="pt") as reader:
            header_text = (reader.metadata() or {}).get(FORMAT)
            weights = {name: reader.get_tensor(name) for name in reader.keys()}  # noqa: SIM118
        content = file.read_bytes()
    except SafetensorError as error:
        raise EncoderError(
            f"{file} is truncated or not an encoder of garabato ({error}); "
            "train one with: garabato train"
        ) from None
    except OSError as error:
        raise EncoderError(f"cannot read {file}: {error}") from None
    if header_text is None:
        raise EncoderError(
            f"{file} is a safetensors file but not an encoder of garabato; "
            "train one with: garabato train"
        )
    header = _parse_header(header_text, content, file)

    def build_runtime(spec: RenderSpec) -> TorchRuntime:
        model = create_model(
            header["model"],
            n_categories=len(header["categories"]),
            image_size_px=spec.size_px,
            **header["options"],
        )
        _check_weights(weights, model.state_dict())
        model.load_state_dict(weights)
        return TorchRuntime(model, device=device, precision=precision)

    return _build(header, file, build_runtime)


def _check_weights(given: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor]) -> None:
    """Raise ValueError for weights of the wrong kind of number, and for NaN and infinity."""
    for name, weights in given.items():
        if name in expected and expected[name].is_floating_point():
            if not weights.is_floating_point():
                raise ValueError(f"{name} must be floating point, not {weights.dtype}")
            if not weights.isfinite().all():
                raise ValueError(f"{name} contains NaN or infinity")
