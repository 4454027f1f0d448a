"""Encoders as ONNX files, for ONNX Runtime, browsers and other languages.

The network takes rendered images (uint8) and returns `logits` and L2-normalised `embeddings` for
any number of drawings. The rest of the encoder (render spec, categories, temperature, threshold,
fingerprint) is JSON in the file's metadata, under the key "garabato.encoder".

With 32 bits, weights are stored in half precision, as in the encoder's own file, with a cast to
float32 that runtimes apply once on loading: the same numbers in half the size. With 8 bits,
convolutions, their sums and ReLU are computed with 8-bit integers.
"""

from __future__ import annotations

import copy
import hashlib
import io
import json
import tempfile
import warnings
from collections import Counter
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from garabato.drawing import ByteArray, DrawingBatch
from garabato.encoder import FORMAT, Encoder
from garabato.encoder.files import CHECKSUM, with_checksum
from garabato.encoder.onnx_runtime import OnnxRuntime, import_onnxruntime, open_session
from garabato.errors import EncoderError, InputError, MissingExtraError, check_opened
from garabato.host.atomic import write_bytes
from garabato.render import render_batch

if TYPE_CHECKING:
    import onnx
    import torch

#: How the weights and feature maps of convolutions are computed.
Bits = Literal[8, 32]

#: The opset that ONNX Runtime and browsers have supported since 2022.
_OPSET = 18
#: Smaller arrays are not worth a cast.
_MIN_SIZE_FOR_HALF = 1024
#: Images run at once to find the ranges of feature maps.
_CALIBRATION_BATCH = 32
#: An 8-bit encoder keeps the fingerprint of the float one, and can search its galleries, if the
#: mean cosine of their embeddings of the calibration drawings is at least this.
_SAME_EMBEDDINGS = 0.995


def export_onnx(
    encoder: Encoder,
    path: str | PathLike[str],
    *,
    bits: Bits | None = None,
    calibration: DrawingBatch | None = None,
) -> None:
    """Write `encoder` as one ONNX file, atomically; `load_encoder` reads it.

    With 32 bits (the default), predictions and embeddings agree with PyTorch in float32 within
    1e-4. With 8 bits the file is half the size and runs faster; predictions differ slightly
    (docs/export.md). The ranges of its feature maps are those seen with the drawings in
    `calibration`: some 500 of those it was trained on. It keeps the encoder's fingerprint if the
    embeddings agree (mean cosine at least 0.995), and gets another one otherwise.

    An encoder in ONNX form is written as it is, and can't change its bits. Raises EncoderError for
    that, InputError for 8 bits without drawings, MissingExtraError without the extra `train`, and
    StorageError.
    """
    check_opened(encoder=encoder)
    if isinstance(encoder.runtime, OnnxRuntime):
        content = _copied(encoder, encoder.runtime, bits)
    elif bits == 8:
        if calibration is None or len(calibration) == 0:
            raise InputError("bits=8 needs calibration drawings; pass some training drawings")
        content = _in_eight_bits(encoder, calibration)
    else:
        model = _exported(encoder)
        _keep_in_half(model)
        content = _with_header(model, _header(encoder, 32))
    write_bytes(path, content)


def picture_network(encoder: Encoder) -> bytes:
    """The network as an ONNX file for programs that prepare pictures themselves.

    `pixel_values` are (N, 3, S, S) float32, black ink (0) on white (1). Pictures have no stroke
    order, so channels for it stay empty, and the logits of the image take the place of those of a
    stroke branch. The outputs are `embeddings` and `logits`, the latter divided by the temperature:
    softmax gives probabilities.
    """
    import torch

    model = copy.deepcopy(encoder.as_pytorch().model)
    if encoder.spec.path:
        model.strokes = None  # type: ignore[assignment]  # as in networks made without one
        # The image stands in for the branch, so that probabilities stay calibrated.
        weights = dict(model.named_parameters())
        weights["log_scale"].data += torch.log1p(weights["stroke_weights"][1])
    n_pictures = min(encoder.spec.n_channels, 3)  # channels that are pictures
    temperature = encoder.temperature

    class PicturesToOutputs(torch.nn.Module):
        """Pictures, black on white -> calibrated logits and L2-normalised embeddings."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, pixel_values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            ink = 1 - pixel_values.mean(dim=1, keepdim=True)
            nothing = torch.zeros_like(ink)
            images = torch.cat([ink, *[nothing] * (n_pictures - 1)], dim=1)
            logits, embeddings = self.model(images)
            return logits / temperature, torch.nn.functional.normalize(embeddings, dim=1)

    size_px = encoder.spec.size_px
    written = _traced(PicturesToOutputs(), torch.zeros((2, 3, size_px, size_px)), "pixel_values")
    _keep_in_half(written)
    content: bytes = written.SerializeToString()
    return content


def _copied(encoder: Encoder, runtime: OnnxRuntime, bits: Bits | None) -> bytes:
    """The file the encoder is from, with the encoder's present header."""
    if bits not in (None, runtime.bits):
        raise EncoderError(
            f"an encoder in ONNX form of {runtime.bits} bits can't be written with {bits} bits; "
            "load the .safetensors file it was made from (the shipped one with runtime='pytorch')"
        )
    header = _header(encoder, runtime.bits)
    if header == {name: value for name, value in runtime.header.items() if name != CHECKSUM}:
        return runtime.content
    return _with_header(_onnx().load_from_string(runtime.content), header)


def _header(encoder: Encoder, bits: int) -> dict[str, Any]:
    return encoder.description() | {
        "fingerprint": encoder.fingerprint,
        "embedding_dim": encoder.embedding_dim,
        "n_parameters": encoder.n_parameters,
        "bits": bits,
    }


def _with_header(model: onnx.ModelProto, header: dict[str, Any]) -> bytes:
    """The file of a network with this header and the checksum of the file."""

    def write(header_text: str) -> bytes:
        del model.metadata_props[:]
        entry = model.metadata_props.add()
        entry.key, entry.value = FORMAT, header_text
        content: bytes = model.SerializeToString()
        return content

    return with_checksum(write, header)


def _onnx() -> Any:
    try:
        import onnx
    except ImportError:
        raise MissingExtraError("writing ONNX files", "train") from None
    return onnx


def _in_eight_bits(encoder: Encoder, calibration: DrawingBatch) -> bytes:
    """The encoder as an ONNX file with 8-bit convolutions, its header included."""
    images = render_batch(calibration, encoder.spec)
    with tempfile.TemporaryDirectory(prefix="garabato-") as work:
        exact, quantized = Path(work) / "float.onnx", Path(work) / "quantized.onnx"
        exact.write_bytes(_with_header(_exported(encoder), _header(encoder, 32)))
        _quantize(exact, quantized, images)
        model = _onnx().load(quantized)
        _keep_in_half(model)
        header = _header(encoder, 8)
        quantized.write_bytes(_with_header(model, header))
        agreement = _mean_cosine(exact, quantized, images)
        if not agreement >= _SAME_EMBEDDINGS:
            weights = hashlib.sha256(quantized.read_bytes())
            header["fingerprint"] = weights.hexdigest()[:16]
        return _with_header(model, header)


def _exported(encoder: Encoder) -> onnx.ModelProto:
    """The network with float32 weights and separate batch norms."""
    _onnx()  # a missing extra is named before PyTorch is
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

    network = ImagesToOutputs(copy.deepcopy(encoder.as_pytorch().model))
    images = torch.zeros((2, *encoder.spec.image_shape), dtype=torch.uint8)
    return _traced(network, images, "images")


def _traced(network: torch.nn.Module, example: torch.Tensor, input_name: str) -> onnx.ModelProto:
    """`network` as a graph with the outputs `logits` and `embeddings`, for any number of inputs."""
    import torch

    written = io.BytesIO()
    names = [input_name, "logits", "embeddings"]
    with warnings.catch_warnings():
        # PyTorch's newer exporter takes six times as long, needs another package and writes a
        # graph that is slower to load.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network.cpu().eval(),
            (example,),
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
    model: onnx.ModelProto = _onnx().load_from_string(written.getvalue())
    return model


def _quantize(exact: Path, quantized: Path, images: ByteArray) -> None:
    """Quantize the convolutions: weights per channel, feature maps by their range.

    The first convolution of the stroke branch, pooling, the embedding and the logits stay in
    float32.
    """
    import_onnxruntime()
    from onnxruntime.quantization import (
        CalibrationDataReader,
        QuantFormat,
        QuantType,
        quantize_static,
    )

    class Images(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            starts = range(0, len(images), _CALIBRATION_BATCH)
            self.rest = (images[i : i + _CALIBRATION_BATCH] for i in starts)

        def get_next(self) -> dict[str, ByteArray] | None:
            piece = next(self.rest, None)
            return None if piece is None else {"images": piece}

    model = _folded(exact)
    done = model.metadata_props.add()  # else ONNX Runtime warns that nothing was prepared
    done.key, done.value = "onnx.quant.pre_process", "onnxruntime.quant"
    folded = exact.with_suffix(".folded.onnx")
    _onnx().save(model, folded)

    def write(overrides: dict[str, list[dict[str, Any]]]) -> None:
        quantize_static(
            folded,
            quantized,
            Images(),
            quant_format=QuantFormat.QOperator,
            per_channel=True,
            # Weights of 7 bits: with 8, sums overflow on x86 processors without VNNI.
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            op_types_to_quantize=["Conv", "Add", "Relu"],
            nodes_to_quantize=_nodes_to_quantize(model),
            extra_options={"TensorQuantOverrides": overrides},
        )

    write({})
    if overrides := _exact_sums(_onnx().load(quantized)):
        write(overrides)


def _folded(exact: Path) -> onnx.ModelProto:
    """The network with batch norms and average pooling folded into the convolutions.

    Matrices stay as they are. Folding would transpose, normalise or multiply them by a batch norm,
    so that they are stored twice, and no longer exact in half precision; runtimes do so on loading.
    """
    from onnx import helper

    onnxruntime = import_onnxruntime()
    folded = exact.with_suffix(".folded.onnx")
    model: onnx.ModelProto = _onnx().load(exact)
    n_inputs = len(model.graph.input)
    for weight in model.graph.initializer:
        if len(weight.dims) == 2:  # what is also an input is no constant, and is not folded
            value = helper.make_tensor_value_info(weight.name, weight.data_type, weight.dims)
            model.graph.input.append(value)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(folded)
    providers = ["CPUExecutionProvider"]
    onnxruntime.InferenceSession(model.SerializeToString(), options, providers=providers)
    model = _onnx().load(folded)
    del model.graph.input[n_inputs:]
    _fold_average_pooling(model)
    return model


def _fold_average_pooling(model: onnx.ModelProto) -> None:
    """Replace average pooling and a following 1x1 convolution by one convolution.

    There is no fast 8-bit average pooling. The windows must not overlap and must cover the feature
    map; where they don't, the nodes stay as they are.
    """
    from onnx import helper, numpy_helper, shape_inference

    graph = model.graph
    shapes = {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in shape_inference.infer_shapes(model).graph.value_info
    }
    weights = {initializer.name: initializer for initializer in graph.initializer}
    pools = {node.output[0]: node for node in graph.node if node.op_type == "AveragePool"}
    readers = Counter(name for node in graph.node for name in node.input)

    def attribute(node: onnx.NodeProto, name: str, default: list[int]) -> list[int]:
        return next((list(one.ints) for one in node.attribute if one.name == name), default)

    for node in [node for node in graph.node if node.op_type == "Conv"]:
        pool, weight = pools.get(node.input[0]), weights.get(node.input[1])
        if pool is None or weight is None or readers[node.input[0]] > 1:
            continue
        window = attribute(pool, "kernel_shape", [])
        sides = shapes.get(pool.input[0], [])[2:]
        ones = [1] * len(window)
        if (
            len(sides) != len(window)
            or any(side == 0 or side % step for side, step in zip(sides, window, strict=True))
            or attribute(pool, "strides", ones) != window
            or any(attribute(pool, "pads", []))
            or attribute(node, "kernel_shape", []) != ones
            or attribute(node, "strides", ones) != ones
            or any(attribute(node, "pads", []))
            or readers[weight.name] > 1
        ):
            continue
        values = numpy_helper.to_array(weight)  # (n_out, n_in, 1, ...)
        spread = np.tile(values / np.float32(np.prod(window)), (1, 1, *window))
        weight.CopyFrom(numpy_helper.from_array(spread, weight.name))
        node.input[0] = pool.input[0]
        kept = [one for one in node.attribute if one.name not in ("kernel_shape", "strides")]
        del node.attribute[:]
        node.attribute.extend(kept)
        for name in ("kernel_shape", "strides"):
            node.attribute.append(helper.make_attribute(name, window))
        graph.node.remove(pool)


def _nodes_to_quantize(model: onnx.ModelProto) -> list[str]:
    """Names of the convolutions, and of the sums and ReLUs that follow them.

    The first convolution of the stroke branch is left out, because 8 bits are too few for the
    positions of points. That of the pictures is not: pixels have 8 bits.
    """
    after_convolution: set[str] = set()  # values
    quantized: set[str] = set()
    names = []
    for node in model.graph.node:  # in topological order
        if node.op_type == "Conv":
            is_of_pictures = any(
                one.name == "kernel_shape" and len(one.ints) == 2 for one in node.attribute
            )
            chosen = is_of_pictures or node.input[0] in after_convolution
        else:
            chosen = node.op_type in ("Add", "Relu") and not quantized.isdisjoint(node.input)
        if chosen:
            names.append(node.name)
            quantized.update(node.output)
        if node.op_type == "Conv" or not after_convolution.isdisjoint(node.input):
            after_convolution.update(node.output)
    return names


def _exact_sums(model: onnx.ModelProto) -> dict[str, list[dict[str, Any]]]:
    """Scales with which sums come out the same on every processor, for `TensorQuantOverrides`.

    A sum multiplies each term by its scale over the sum's scale. Processors with and without fused
    multiply-add round this differently, which now and then changes a sum by one. Nothing is rounded
    if the scales of sums are powers of two and those of the other terms have 8 significant bits.
    """
    from onnx import numpy_helper

    values = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
    chosen: dict[str, dict[str, Any]] = {}

    def choose(names: Sequence[str], bits: int) -> None:
        name, scale, zero_point = names
        fraction, exponent = np.frexp(values[scale])
        rounded = np.ldexp(np.ceil(fraction * 2**bits) / 2**bits, exponent)
        chosen.setdefault(
            name, {"scale": np.array(rounded, np.float32), "zero_point": values[zero_point]}
        )

    for node in model.graph.node:  # in topological order: sums before the sums they are terms of
        if node.op_type == "QLinearAdd":
            choose([node.output[0], *node.input[6:8]], bits=0)
            choose(node.input[:3], bits=8)
            choose(node.input[3:6], bits=8)
    suffix = "_quantized"
    return {name.removesuffix(suffix): [one] for name, one in chosen.items()}


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


def _mean_cosine(exact: Path, quantized: Path, images: ByteArray) -> float:
    """How well the embeddings of two ONNX encoders agree."""
    embeddings = []
    for file in (exact, quantized):
        session, text, content = open_session(file, FORMAT)
        embeddings.append(OnnxRuntime(session, json.loads(text), content).run(images)[1])
    return float((embeddings[0] * embeddings[1]).sum(axis=1).mean())
