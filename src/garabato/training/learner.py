"""The learner: one training step, its optimizers and loss functions, and the averaged weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor
from torch.optim.swa_utils import update_bn

from garabato.drawing import DrawingBatch
from garabato.encoder import Encoder
from garabato.errors import TrainingError
from garabato.models import Model, as_input, create_model
from garabato.render import RenderSpec
from garabato.training.config import LossName, TrainConfig
from garabato.training.data import Batch, mean_image
from garabato.training.distributed import ProcessGroup, uses_bfloat16

#: Losses for networks whose logits are cosines between a drawing and a direction per category.
_COSINE_LOSSES = ("arcface", "proxy-anchor")
#: ArcFace's margin, in radians. The paper's 0.5 is for cleanly labelled faces.
_ARCFACE_MARGIN = 0.15
#: As in the proxy-anchor paper.
_PROXY_SHARPNESS, _PROXY_MARGIN = 32.0, 0.1
#: As in the SupCon paper.
_SUPCON_TEMPERATURE = 0.1
#: The weight of each branch's own loss, added to the loss of their sum.
_BRANCH_LOSS = 0.5

#: Muon: how much of the momentum the next step keeps.
_MOMENTUM = 0.95
#: Muon: makes the mean square of a step about that of AdamW (Liu et al. 2025, "Muon is scalable for
#: LLM training"), so both share learning rate and weight decay.
_STEP_SIZE = 0.2
#: Muon: coefficients and number of the quintic iterations. They bring singular values near 1
#: quickly, not exactly.
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5


class Learner:
    """A network and its weights in training.

    `drawings` are the training drawings, for networks that subtract the mean image. In distributed
    training every process has a learner, and all hold the same weights after each step.
    """

    def __init__(
        self,
        config: TrainConfig,
        categories: list[str],
        drawings: DrawingBatch,
        processes: ProcessGroup,
    ) -> None:
        self.config, self.categories, self.processes = config, categories, processes
        self.autocast = uses_bfloat16(config, processes.device)
        torch.manual_seed(config.seed)
        model = self._new_model()
        if config.render.path and not model.branches:
            raise TrainingError(
                f"{config.model} has no stroke branch; train skfast, or render without `path`"
            )
        if config.render.path and config.mixup > 0:
            raise TrainingError(
                "mixup cannot blend images with `path`; train with mixup = 0 or without `path`"
            )
        if model.mean_image is not None:
            if config.render.order:
                raise TrainingError(
                    f"{config.model} takes images of one channel; render without `order`"
                )
            if config.sizes:
                raise TrainingError(
                    f"{config.model} takes images of one size only; train it without `sizes`"
                )
            model.mean_image.copy_(mean_image(drawings, config.render))
        if config.loss in _COSINE_LOSSES and model.logit_scale is None:
            raise TrainingError(
                f"loss {config.loss!r} needs a network whose logits are cosines (skfast), "
                f"not {config.model}"
            )
        self.model = model.to(processes.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.shared = processes.share(self.model)
        self.weights = Weights(self.model, config)

    def start_from(self, encoder: Encoder) -> None:
        """Copy the weights of a trained encoder with the same network, at any image size.

        Weights that belong to a category go to the category of the same name; categories unknown
        to the encoder, and a stroke branch it lacks, keep random weights. Log priors stay 0.
        Raises TrainingError if the networks differ otherwise.
        """
        given = encoder.as_pytorch().model.state_dict()
        taken = dict(self.model.state_dict())
        differing = _shapes(self._new_model(1)).items() - _shapes(self._new_model(2)).items()
        by_category = {name for name, _ in differing}  # one row per category
        rows = {name: i for i, name in enumerate(encoder.network_categories)}
        pairs = [(i, rows[n]) for i, n in enumerate(self.categories) if n in rows]
        ours, theirs = torch.tensor(pairs, dtype=torch.long).reshape(-1, 2).T
        for name, value in taken.items():
            if name in ("mean_image", "log_priors"):  # of the data, not learned
                continue
            found = given.get(name)
            is_rows = name in by_category
            if found is None and name.startswith(self.model.branches):
                continue
            if found is None or found.shape[is_rows:] != value.shape[is_rows:]:
                raise TrainingError(
                    f"the encoder to start from ({encoder.model_name}) has another architecture "
                    f"than the network to train ({self.config.model}): {name} is "
                    f"{'absent' if found is None else tuple(found.shape)}, not "
                    f"{tuple(value.shape)}; train with the preset it was trained with"
                )
            if is_rows:
                value[ours] = found[theirs].to(value)
            else:
                value.copy_(found)
        self.weights.average = {name: value.clone() for name, value in taken.items()}

    def learn(
        self, batch: Batch, *, step: int, learning_rate: float, batch_size: int
    ) -> tuple[float, int]:
        """Take one step on this process's part of a batch of `batch_size` drawings.

        Returns the loss summed over the part, and the number of its drawings classified correctly.
        """
        # For dropout: each process drops other features.
        torch.manual_seed(self.config.seed * 1_000_003 + step + (self.processes.rank << 40))
        self.model.train()
        inputs = as_input(batch.images, self.processes.device)  # (B, K, S, S)
        labels = torch.from_numpy(batch.labels).to(self.processes.device)
        inputs, targets = self._mixed(inputs, self._targets(labels, batch))
        with torch.autocast(self.processes.device.type, torch.bfloat16, enabled=self.autocast):
            logits, embeddings = self.shared(inputs)
        if self.config.loss == "softmax":
            loss = self._cross_entropy(logits, targets)
            for branch_logits in self.model.branch_logits:
                loss = loss + _BRANCH_LOSS * self._cross_entropy(branch_logits, targets)
        else:
            loss = LOSS_FUNCTIONS[self.config.loss](
                logits.float(), embeddings.float(), labels, self.model.logit_scale
            )
        # Gradients are averaged over processes, whose parts may differ by one drawing.
        share = len(labels) * self.processes.n / batch_size
        self.weights.step(loss * share, step=step, learning_rate=learning_rate)
        return loss.item() * len(labels), int((logits.argmax(1) == labels).sum())

    def encoder(self, spec: RenderSpec) -> Encoder:
        """An encoder with the averaged weights, for drawings rendered by `spec`."""
        model = self._new_model()
        model.load_state_dict(self.weights.average)
        return Encoder(model, spec=spec, categories=self.categories, device=self.processes.device)

    def measure_norms(self, batches: Iterable[Batch]) -> None:
        """Recompute the batch norm statistics of the averaged network over some batches.

        The average of the statistics lags behind that of the weights, so that after a few dozen
        steps the network would predict at random (Izmailov et al. 2018).
        """
        model = self._new_model().to(self.processes.device)
        model.load_state_dict(self.weights.average)
        update_bn((as_input(batch.images, self.processes.device) for batch in batches), model)
        self.weights.average = model.state_dict()

    def _cross_entropy(self, logits: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(logits.float(), targets, label_smoothing=self.config.label_smoothing)

    def _targets(self, labels: Tensor, batch: Batch) -> Tensor:
        """The targets: labels (B,), or probabilities (B, C) with teachers or mixup."""
        if batch.teacher_probabilities is None and self.config.mixup == 0:
            return labels
        targets = F.one_hot(labels, len(self.categories)).float()  # (B, C)
        if batch.teacher_probabilities is not None:
            teacher_probabilities = torch.from_numpy(batch.teacher_probabilities).to(targets)
            targets = targets.lerp(teacher_probabilities, self.config.teaching)
        return targets

    def _mixed(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Mixup: blend each image and target with another one of the batch."""
        if self.config.mixup == 0:
            return inputs, targets
        share = torch.distributions.Beta(self.config.mixup, self.config.mixup).sample().item()
        share = min(share, 1 - share)  # each drawing keeps the larger share
        other = torch.randperm(len(inputs)).to(inputs.device)
        return inputs.lerp(inputs[other], share), targets.lerp(targets[other], share)

    def _new_model(self, n_categories: int | None = None) -> Model:
        options = dict(self.config.model_options)
        if self.config.render.n_channels > 1:
            options["n_channels"] = self.config.render.n_channels
        return create_model(
            self.config.model,
            n_categories=n_categories or len(self.categories),
            image_size_px=self.config.render.size_px,
            **options,
        )


class Weights:
    """The weights of a network in training, their optimizers and their moving average."""

    def __init__(self, model: Model, config: TrainConfig) -> None:
        self._model, self._decay = model, config.ema_decay
        self._optimizers = _create_optimizers(model, config)
        self.average = {name: value.clone() for name, value in model.state_dict().items()}

    def step(self, loss: Tensor, *, step: int, learning_rate: float) -> None:
        """Take a step against the gradient of `loss`, and update the average."""
        loss.backward()  # type: ignore[no-untyped-call]
        for optimizer in self._optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = learning_rate
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        decay = min(self._decay, (1 + step) / (10 + step))
        for name, value in self._model.state_dict().items():
            if decay > 0 and value.is_floating_point():
                self.average[name].lerp_(value, 1 - decay)
            else:
                self.average[name].copy_(value)

    def state(self) -> dict[str, dict[str, Any]]:
        """The state that a checkpoint stores: model, optimizers and averaged weights."""
        return {
            "model": self._model.state_dict(),
            "optimizers": {name: one.state_dict() for name, one in self._optimizers.items()},
            "average": self.average,
        }

    def restore(self, state: dict[str, dict[str, Any]]) -> None:
        """Continue from `state()`. Raises TrainingError if it is of another network."""
        try:
            self._model.load_state_dict(state["model"])
            for name, optimizer in self._optimizers.items():
                optimizer.load_state_dict(state["optimizers"][name])
            for name, value in state["average"].items():
                self.average[name].copy_(value)
        except (RuntimeError, KeyError, ValueError) as error:
            raise TrainingError(
                f"the network differs from the one in the checkpoint ({error}); continue "
                "with the version of garabato that wrote it, or train again into a new folder"
            ) from None


# Loss functions other than softmax cross-entropy. Each takes logits (B, C), embeddings (B, D) of
# length 1, labels (B,) and the scale of cosine logits, and returns the mean loss of the batch.


def _arcface(logits: Tensor, embeddings: Tensor, labels: Tensor, scale: Tensor) -> Tensor:
    """Cross-entropy with a margin added to the angle of the right category (Deng et al. 2019)."""
    right = labels[:, None]
    cosines = (logits.gather(1, right) / scale).clamp(-1 + 1e-6, 1 - 1e-6)  # (B, 1)
    with_margin = torch.cos(torch.acos(cosines) + _ARCFACE_MARGIN)
    return F.cross_entropy(logits.scatter(1, right, with_margin * scale), labels)


def _proxy_anchor(logits: Tensor, embeddings: Tensor, labels: Tensor, scale: Tensor) -> Tensor:
    """Directions attract their own drawings and repel others, hard ones most (Kim et al. 2020)."""
    cosines = logits / scale
    is_own = F.one_hot(labels, logits.shape[1]).bool()  # (B, C)
    own = (-_PROXY_SHARPNESS * (cosines - _PROXY_MARGIN)).masked_fill(~is_own, -torch.inf)
    others = (_PROXY_SHARPNESS * (cosines + _PROXY_MARGIN)).masked_fill(is_own, -torch.inf)
    present = is_own.any(0)
    # log(1 + sum of exp) over the batch, for each category
    attraction = F.softplus(own[:, present].logsumexp(0)).mean()
    repulsion = F.softplus(others.logsumexp(0)).mean()
    return attraction + repulsion


def _supcon(logits: Tensor, embeddings: Tensor, labels: Tensor, scale: Tensor) -> Tensor:
    """Cross-entropy plus the supervised contrastive loss (Khosla et al. 2020).

    A drawing without another one of its category in the batch counts for cross-entropy only.
    """
    cross_entropy = F.cross_entropy(logits, labels)
    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    positive = (labels[:, None] == labels) & ~itself  # (B, B)
    has_any = positive.any(1)
    if not has_any.any():
        return cross_entropy
    similarity = (embeddings @ embeddings.T / _SUPCON_TEMPERATURE).masked_fill(itself, -torch.inf)
    log_shares = similarity.log_softmax(1)
    of_positives = log_shares.masked_fill(~positive, 0.0).sum(1)[has_any] / positive.sum(1)[has_any]
    return cross_entropy - of_positives.mean()


LOSS_FUNCTIONS: dict[LossName, Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]] = {
    "arcface": _arcface,
    "proxy-anchor": _proxy_anchor,
    "supcon": _supcon,
}


class Muon(torch.optim.Optimizer):
    """Momentum whose steps have all singular values near 1 (Jordan et al. 2024, "Muon").

    For the kernels of convolutions. Ours, because PyTorch's takes matrices only and needs twice the
    time for wide ones. A gradient is mostly made of few directions; equal singular values let a
    step learn from the rare ones too. Kernels (out, in, height, width) count as matrices
    (out, height * width * in). `dtype` is the precision of the largest matrix products.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        *,
        lr: float,
        weight_decay: float,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay})
        self._dtype = dtype

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        assert closure is None
        for group in self.param_groups:
            for weights in group["params"]:
                if weights.grad is None:
                    continue
                state = self.state[weights]
                if not state:
                    state["momentum"] = torch.zeros_like(weights)
                momentum = state["momentum"]
                momentum.lerp_(weights.grad, 1 - _MOMENTUM)
                direction = weights.grad.lerp(momentum, _MOMENTUM)  # Nesterov
                # (out, height, width, in), as kernels lie in memory: `flatten` copies nothing
                direction = direction.movedim(1, -1)
                matrix = orthogonalize(direction.flatten(1).to(self._dtype))
                size = _STEP_SIZE * max(matrix.shape) ** 0.5
                weights.mul_(1 - group["lr"] * group["weight_decay"])
                change = matrix.view(direction.shape).movedim(-1, 1)
                weights.add_(change, alpha=-group["lr"] * size)


def orthogonalize(matrix: Tensor) -> Tensor:
    """The matrix (M, N) with singular values near 1, 0.68 to 1.14, in place of its own.

    Newton-Schulz iteration: X <- a X + b (X X^T) X + c (X X^T)^2 X. All its factors are polynomials
    of the first X X^T, so they are multiplied on the shorter side, in float32, and applied to X
    once. The result has the dtype of `matrix`.
    """
    if matrix.shape[0] > matrix.shape[1]:
        return orthogonalize(matrix.T).T
    gram = (matrix @ matrix.T).float()  # (M, M)
    squared_norm = gram.trace() + 1e-14
    gram /= squared_norm
    factor = product = _factor(gram)
    for _ in range(_ITERATIONS - 1):
        gram = factor @ gram @ factor
        factor = _factor(gram)
        product = factor @ product
    return (product * squared_norm.rsqrt()).to(matrix.dtype) @ matrix


def _shapes(model: Model) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in model.state_dict().items()}


def _create_optimizers(model: Model, config: TrainConfig) -> dict[str, torch.optim.Optimizer]:
    """Optimizers for the parameters that need gradients.

    AdamW, and before it Muon for the kernels of the convolutions if the config says so.
    """
    most_dimensions = 2 if config.optimizer == "muon" else math.inf  # of AdamW's parameters
    parameters = [p for p in model.parameters() if p.requires_grad]
    kernels = [p for p in parameters if p.ndim > most_dimensions]
    matrices = [p for p in parameters if 2 <= p.ndim <= most_dimensions]
    others = [p for p in parameters if p.ndim < 2]
    optimizers: dict[str, torch.optim.Optimizer] = {}
    if kernels:
        dtype = torch.bfloat16 if uses_bfloat16(config, kernels[0].device) else torch.float32
        optimizers["muon"] = Muon(
            kernels, lr=config.learning_rate, weight_decay=config.weight_decay, dtype=dtype
        )
    optimizers["adamw"] = torch.optim.AdamW(
        [
            {"params": matrices, "weight_decay": config.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ],
        lr=config.learning_rate,
        fused=True,
    )
    return optimizers


def _factor(gram: Tensor) -> Tensor:
    """a + b X X^T + c (X X^T)^2, (M, M)."""
    a, b, c = _COEFFICIENTS
    factor = torch.addmm(gram, gram, gram, beta=b, alpha=c)
    factor.diagonal().add_(a)
    return factor
