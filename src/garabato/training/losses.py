"""What a training makes small: softmax, and the losses that shape distances.

Each takes `logits` (B, C) and `embeddings` (B, D, length 1) of a batch, its `labels` (B,) and the
`scale` that the network's logits are cosines by, and gives the batch's mean loss. Those named in
`OF_COSINES` are for networks whose logits are cosines between a drawing and a direction a category.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

LossName = Literal["softmax", "arcface", "proxy-anchor", "supcon"]
Loss = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
OF_COSINES = ("arcface", "proxy-anchor")

#: ArcFace's margin, in radians. Its authors' 0.5 is for faces, which nobody labelled wrongly.
_MARGIN = 0.15
#: Proxy-anchor's, as its authors have them.
_SHARPNESS, _PROXY_MARGIN = 32.0, 0.1
#: SupCon's temperature, as its authors have it.
_TEMPERATURE = 0.1


def metric_loss(name: LossName) -> Loss:
    """The loss of a name other than "softmax", which the learner has itself."""
    return {"arcface": _arcface, "proxy-anchor": _proxy_anchor, "supcon": _supcon}[name]


def _arcface(logits: Tensor, embeddings: Tensor, labels: Tensor, scale: Tensor) -> Tensor:
    """Softmax over cosines, the right category's angle made larger (Deng et al. 2019)."""
    right = labels[:, None]
    cosines = (logits.gather(1, right) / scale).clamp(-1 + 1e-6, 1 - 1e-6)  # (B, 1)
    further = torch.cos(torch.acos(cosines) + _MARGIN)
    return F.cross_entropy(logits.scatter(1, right, further * scale), labels)


def _proxy_anchor(logits: Tensor, embeddings: Tensor, labels: Tensor, scale: Tensor) -> Tensor:
    """Each direction draws its own drawings and repels others, the hardest most (Kim 2020)."""
    cosines = logits / scale
    is_own = F.one_hot(labels, logits.shape[1]).bool()  # (B, C)
    own = (-_SHARPNESS * (cosines - _PROXY_MARGIN)).masked_fill(~is_own, -torch.inf)
    others = (_SHARPNESS * (cosines + _PROXY_MARGIN)).masked_fill(is_own, -torch.inf)
    present = is_own.any(0)
    # log(1 + sum of exp) over the batch, for each category
    drawn = F.softplus(own[:, present].logsumexp(0)).mean()
    repelled = F.softplus(others.logsumexp(0)).mean()
    return drawn + repelled


def _supcon(logits: Tensor, embeddings: Tensor, labels: Tensor, scale: Tensor) -> Tensor:
    """Softmax, and drawings of a category nearer to each other than to others (Khosla et al. 2020).

    A drawing that is the only one of its category in the batch counts for softmax alone.
    """
    softmax = F.cross_entropy(logits, labels)
    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    alike = (labels[:, None] == labels) & ~itself  # (B, B)
    has_any = alike.any(1)
    if not has_any.any():
        return softmax
    similar = (embeddings @ embeddings.T / _TEMPERATURE).masked_fill(itself, -torch.inf)
    log_shares = similar.log_softmax(1)
    of_alike = log_shares.masked_fill(~alike, 0.0).sum(1)[has_any] / alike.sum(1)[has_any]
    return softmax - of_alike.mean()
