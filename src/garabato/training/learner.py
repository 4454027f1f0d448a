"""The network while it learns: one step, the average of its weights, the encoder it would make."""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor
from torch.optim.swa_utils import update_bn

from garabato.drawing import DrawingBatch
from garabato.encoder import Encoder
from garabato.errors import TrainingError
from garabato.models import Model, as_input, create_model
from garabato.render import RenderSpec
from garabato.training.batches import Batch
from garabato.training.checkpoint import Checkpoint
from garabato.training.config import TrainConfig
from garabato.training.data import mean_image
from garabato.training.device import chooses_bfloat16
from garabato.training.distributed import Workers
from garabato.training.losses import OF_COSINES, metric_loss


class Learner:
    """A network, its optimiser and the moving average of its weights.

    `drawings` are the training drawings, for the networks that subtract their mean. Every worker
    has a learner, and all of them hold the same weights after every step.
    """

    def __init__(
        self,
        config: TrainConfig,
        categories: list[str],
        drawings: DrawingBatch,
        workers: Workers,
    ) -> None:
        self.config, self.categories, self.workers = config, categories, workers
        self.autocast = chooses_bfloat16(config, workers.device)
        torch.manual_seed(config.seed)
        model = self._new_model()
        if model.mean_image is not None:
            if config.sizes:
                raise TrainingError(
                    f"{config.model} takes images of one size only; train it without sizes"
                )
            model.mean_image.copy_(mean_image(drawings, config))
        if config.loss in OF_COSINES and model.logit_scale is None:
            raise TrainingError(
                f"loss {config.loss!r} needs a network whose logits are cosines (skfast), "
                f"not {config.model}"
            )
        self.model = model.to(workers.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.shared = workers.share(self.model)
        self.optimizer = _optimizer(self.model, config)
        self.average = {name: value.clone() for name, value in self.model.state_dict().items()}

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go on from where a checkpoint was written."""
        self.model.load_state_dict(checkpoint.model)
        self.optimizer.load_state_dict(checkpoint.optimizer)
        self.average = {n: v.to(self.workers.device) for n, v in checkpoint.average.items()}

    def start_from(self, encoder: Encoder) -> None:
        """Take the weights of a trained encoder of the same network, at any image size.

        What belongs to a category goes to the category of that name; one that the encoder doesn't
        know starts anew. Raises TrainingError where the networks differ.
        """
        given = encoder.as_pytorch().model.state_dict()
        taken = dict(self.model.state_dict())
        of_categories = _shapes(self._new_model(1)).items() - _shapes(self._new_model(2)).items()
        by_category = {name for name, _ in of_categories}
        places = {name: i for i, name in enumerate(encoder.categories)}
        pairs = [(i, places[n]) for i, n in enumerate(self.categories) if n in places]
        ours, theirs = torch.tensor(pairs, dtype=torch.long).reshape(-1, 2).T
        for name, value in taken.items():
            if name == "mean_image":
                continue
            found = given.get(name)
            is_rows = name in by_category
            if found is None or found.shape[is_rows:] != value.shape[is_rows:]:
                raise TrainingError(
                    f"the encoder to start from ({encoder.model_name}) is of another form than the "
                    f"network to train ({self.config.model}): {name} is "
                    f"{'absent' if found is None else tuple(found.shape)}, not "
                    f"{tuple(value.shape)}; train with the preset it was trained with"
                )
            if is_rows:
                value[ours] = found[theirs].to(value)
            else:
                value.copy_(found)
        self.average = {name: value.clone() for name, value in taken.items()}

    def learn(
        self, batch: Batch, *, step: int, learning_rate: float, batch_size: int
    ) -> tuple[float, int]:
        """One step on this worker's part of a batch of `batch_size` drawings.

        Returns the loss summed over the part's drawings, and how many of them were answered right.
        """
        # For dropout, if there is any: other parts of the batch lose other features.
        torch.manual_seed(self.config.seed * 1_000_003 + step + (self.workers.place << 40))
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.model.train()
        inputs = as_input(batch.images, self.workers.device)  # (B, K, S, S)
        labels = torch.from_numpy(batch.labels).to(self.workers.device)
        inputs, targets = self._mixed(inputs, self._targets(labels, batch))
        with torch.autocast(self.workers.device.type, torch.bfloat16, enabled=self.autocast):
            logits, embeddings = self.shared(inputs)
        if self.config.loss == "softmax":
            loss = F.cross_entropy(
                logits.float(), targets, label_smoothing=self.config.label_smoothing
            )
        else:
            loss = metric_loss(self.config.loss)(
                logits.float(), embeddings.float(), labels, self.model.logit_scale
            )
        # Gradients are averaged over workers whose parts may differ by one drawing.
        share = len(labels) * self.workers.n / batch_size
        self.optimizer.zero_grad(set_to_none=True)
        (loss * share).backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self._update_average(step)
        return loss.item() * len(labels), int((logits.argmax(1) == labels).sum())

    def encoder(self, spec: RenderSpec) -> Encoder:
        """The averaged network as an encoder of drawings rendered by `spec`."""
        model = self._new_model()
        model.load_state_dict(self.average)
        return Encoder(model, spec=spec, categories=self.categories, device=self.workers.device)

    def measure_norms(self, batches: Iterable[Batch]) -> None:
        """Give the averaged network the statistics of its own maps over some batches.

        The average of statistics lags behind that of the weights: an encoder of a few dozen steps
        answers at random with it (Izmailov et al. 2018 do so for the same reason).
        """
        model = self._new_model().to(self.workers.device)
        model.load_state_dict(self.average)
        update_bn((as_input(batch.images, self.workers.device) for batch in batches), model)
        self.average = model.state_dict()

    def _targets(self, labels: Tensor, batch: Batch) -> Tensor:
        """What to answer: labels (B,), or probabilities (B, C) where these are blended."""
        if batch.taught is None and self.config.mixup == 0:
            return labels
        targets = F.one_hot(labels, len(self.categories)).float()  # (B, C)
        if batch.taught is not None:
            taught = torch.from_numpy(batch.taught).to(targets)
            targets = targets.lerp(taught, self.config.teaching)
        return targets

    def _mixed(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Each image and target blended with another one's, by one share for the batch."""
        if self.config.mixup == 0:
            return inputs, targets
        share = torch.distributions.Beta(self.config.mixup, self.config.mixup).sample().item()
        share = min(share, 1 - share)  # a drawing's own label keeps the larger part
        other = torch.randperm(len(inputs)).to(inputs.device)
        return inputs.lerp(inputs[other], share), targets.lerp(targets[other], share)

    def _update_average(self, step: int) -> None:
        decay = min(self.config.ema_decay, (1 + step) / (10 + step))
        for name, value in self.model.state_dict().items():
            if decay > 0 and value.is_floating_point():
                self.average[name].lerp_(value, 1 - decay)
            else:
                self.average[name].copy_(value)

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


def _shapes(model: Model) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in model.state_dict().items()}


def _optimizer(model: Model, config: TrainConfig) -> torch.optim.Optimizer:
    decaying = [p for p in model.parameters() if p.ndim >= 2]
    others = [p for p in model.parameters() if p.ndim < 2]
    return torch.optim.AdamW(
        [
            {"params": decaying, "weight_decay": config.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ],
        lr=config.learning_rate,
        fused=True,
    )
