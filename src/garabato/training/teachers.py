"""Teachers: trained encoders whose answers a network learns beside the labels (Hinton et al. 2015).

They are shown each drawing varied just as the network sees it, so half a drawing is taught as what
half a drawing may become (Beyer et al. 2022), but drawn at the size that they know best.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch

from garabato.drawing import ByteArray, FloatArray
from garabato.encoder import Encoder, load_encoder
from garabato.errors import TrainingError
from garabato.render import RenderSpec
from garabato.render.augment import AugmentSpec
from garabato.training.config import TrainConfig


class Teachers:
    """The encoders that a configuration names as teachers, asked for `categories` in this order.

    Raises TrainingError where one doesn't know them all or cannot see varied drawings.
    """

    def __init__(
        self, config: TrainConfig, categories: Sequence[str], device: torch.device
    ) -> None:
        self._asked: list[tuple[Encoder, npt.NDArray[np.intp]]] = []
        for path in config.teachers:
            encoder = load_encoder(None if path == "shipped" else path, device=device)
            places = {name: i for i, name in enumerate(encoder.categories)}
            missing = [name for name in categories if name not in places]
            if missing:
                raise TrainingError(
                    f"the teacher {path} doesn't know {missing[0]!r} (nor {len(missing) - 1} other "
                    "categories of the dataset); a teacher is trained on the same categories"
                )
            if encoder.spec.style != "smooth" and config.augment != AugmentSpec.none():
                raise TrainingError(
                    f"the teacher {path} sees drawings in the style {encoder.spec.style!r}, in "
                    "which they cannot be varied; train without augmentation or choose another"
                )
            self._asked.append((encoder, np.array([places[name] for name in categories])))

    def answers(self, render: Callable[[RenderSpec], ByteArray]) -> FloatArray:
        """Probabilities (B, C) float32, all teachers' mean, for the drawings `render` draws.

        They are as soft as the networks give them, without the encoders' temperatures.
        """
        each = []
        for encoder, places in self._asked:
            logits = encoder.engine.run(render(encoder.spec))[0]
            each.append(torch.from_numpy(logits[:, places]).softmax(1))
        mean: FloatArray = torch.stack(each).mean(0).numpy()
        return mean
