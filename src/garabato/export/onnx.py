"""Encoders in ONNX form, for programs without PyTorch: ONNX Runtime, browsers, other languages.

The network takes images as garabato's renderer makes them (uint8) and gives `logits` and
`embeddings` of length 1, for any number of drawings at once. What else an encoder knows (render
spec, categories, temperature, threshold, fingerprint) stands in the file's metadata as JSON, under
the key "garabato.encoder".

Weight matrices are kept in half precision, as in the encoder's own file, each with a cast to
float32 after it, which runtimes do once when they load the file: the same numbers in half the size.
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

#: Operators' version: what ONNX Runtime and browsers have known since 2022.
_OPSET = 18
#: Arrays smaller than these are not worth a cast.
_LEAST_FOR_HALF = 1024


def export_onnx(encoder: Encoder, path: str | PathLike[str]) -> None:
    """Write the ONNX form of `encoder` to one file, atomically; `load_encoder` reads it.

    Its answers are those of PyTorch in float32, within 1e-4. Raises MissingExtraError without the
    packages for it, EncoderError where `encoder` is in ONNX form already, StorageError.
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
    """The network with everything as the encoder holds it: norms apart, weights in float32."""
    try:
        import onnx
    except ImportError:
        raise MissingExtraError("writing ONNX files", "onnx") from None
    import torch
    import torch.nn.functional as F  # noqa: N812

    class Face(torch.nn.Module):
        """Images as rendered -> logits, embeddings of length 1."""

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
        # This exporter is the older of PyTorch's two. The newer one takes six times as long, needs
        # one more package and writes a graph that takes more work to load.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Face(copy.deepcopy(encoder.as_pytorch().model).cpu()).eval(),
            (torch.zeros((2, *encoder.spec.image_shape), dtype=torch.uint8),),
            written,  # type: ignore[arg-type]  # this exporter takes a stream, too
            dynamo=False,
            opset_version=_OPSET,
            input_names=names[:1],
            output_names=names[1:],
            dynamic_axes={name: {0: "n"} for name in names},
            do_constant_folding=False,
            # Otherwise norms are folded here, and the folded weights are no halves. Runtimes fold
            # them when they load the file.
            training=torch.onnx.TrainingMode.PRESERVE,
        )
    return onnx.load_from_string(written.getvalue())


def _keep_in_half(model: onnx.ModelProto) -> None:
    """Weights that are exact in half precision become halves, cast to float32 when loaded."""
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for initializer in model.graph.initializer:
        values = numpy_helper.to_array(initializer)
        if values.dtype != np.float32 or values.size < _LEAST_FOR_HALF:
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
