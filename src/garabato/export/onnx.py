"""Encoders as ONNX files, for programs without PyTorch: ONNX Runtime, browsers, other languages.

The network takes rendered images (uint8) and returns `logits` and L2-normalised `embeddings` for
any number of drawings. The rest of the encoder (render spec, categories, temperature, threshold,
fingerprint) is JSON in the file's metadata, under the key "garabato.encoder".

Weights are stored in half precision, as in the encoder's own file, with a cast to float32 that
runtimes apply once on loading: the same numbers in half the size.
"""

from __future__ import annotations

import copy
import io
import json
import warnings
from os import PathLike
from typing import TYPE_CHECKING

import numpy as np

from garabato.encoder import FORMAT, Encoder
from garabato.errors import MissingExtraError
from garabato.host.atomic import write_bytes

if TYPE_CHECKING:
    import onnx

#: The opset that ONNX Runtime and browsers have supported since 2022.
_OPSET = 18
#: Smaller arrays are not worth a cast.
_MIN_SIZE_FOR_HALF = 1024


def export_onnx(encoder: Encoder, path: str | PathLike[str]) -> None:
    """Write `encoder` as one ONNX file, atomically; `load_encoder` reads it.

    Predictions and embeddings agree with PyTorch in float32 within 1e-4. Raises MissingExtraError
    without the extra `onnx`, EncoderError if `encoder` is an ONNX file already, and StorageError.
    """
    model = _exported(encoder)
    _keep_in_half(model)
    header = encoder.description() | {
        "fingerprint": encoder.fingerprint,
        "embedding_dim": encoder.embedding_dim,
        "n_parameters": encoder.n_parameters,
    }
    entry = model.metadata_props.add()
    entry.key, entry.value = FORMAT, json.dumps(header, ensure_ascii=False)
    write_bytes(path, model.SerializeToString())


def _exported(encoder: Encoder) -> onnx.ModelProto:
    """The network with float32 weights and separate batch norms."""
    try:
        import onnx
    except ImportError:
        raise MissingExtraError("writing ONNX files", "onnx") from None
    import torch
    import torch.nn.functional as F  # noqa: N812

    class ImagesToOutputs(torch.nn.Module):
        """Rendered images -> logits and L2-normalised embeddings."""

        def __init__(self, model: torch.nn.Module) -> None:
            super().__init__()
            self.model = model

        def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            channels_first = images[:, None] if images.ndim == 3 else images.permute(0, 3, 1, 2)
            logits, embeddings = self.model(channels_first.float() / 255)
            return logits, F.normalize(embeddings, dim=1)

    written = io.BytesIO()
    names = ["images", "logits", "embeddings"]
    with warnings.catch_warnings():
        # PyTorch's newer exporter takes six times as long, needs another package and writes a
        # graph that is slower to load.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            ImagesToOutputs(copy.deepcopy(encoder.as_pytorch().model).cpu()).eval(),
            (torch.zeros((2, *encoder.spec.image_shape), dtype=torch.uint8),),
            written,  # type: ignore[arg-type]  # this exporter accepts streams
            dynamo=False,
            opset_version=_OPSET,
            input_names=names[:1],
            output_names=names[1:],
            dynamic_axes={name: {0: "n"} for name in names},
            do_constant_folding=False,
            # Keeps batch norms separate: folded weights would not be exact in half precision.
            # Runtimes fold them on loading.
            training=torch.onnx.TrainingMode.PRESERVE,
        )
    return onnx.load_from_string(written.getvalue())


def _keep_in_half(model: onnx.ModelProto) -> None:
    """Store weights that are exact in half precision as halves, with a cast to float32."""
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for initializer in model.graph.initializer:
        values = numpy_helper.to_array(initializer)
        if values.dtype != np.float32 or values.size < _MIN_SIZE_FOR_HALF:
            continue
        halves = values.astype(np.float16)
        if not np.array_equal(halves.astype(np.float32), values):
            continue
        name = initializer.name
        initializer.CopyFrom(numpy_helper.from_array(halves, f"{name}.half"))
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
