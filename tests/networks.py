"""Small networks of every registered kind, with norms that are not at their start."""

from __future__ import annotations

import torch
from torch import nn

from garabato.encoder import Encoder
from garabato.models import create_model, model_names
from garabato.render import RenderSpec

CATEGORIES = ["cat", "dog", "house", "sun", "tree"]
SPECS = {
    "smooth": RenderSpec(32),
    "order": RenderSpec(32, order=True),
    "path": RenderSpec(32, order=True, path=True),
    "reference": RenderSpec.reference(32),
}
#: Every model on the images it knows.
KINDS = [
    (name, style)
    for name in model_names()
    for style in SPECS
    if style not in ("order", "path") or name == "skfast"
]


def make_encoder(name: str, style: str = "smooth", *, precision: str = "float32") -> Encoder:
    torch.manual_seed(0)
    spec = SPECS[style]
    options = {"n_channels": spec.n_channels} if spec.order else {}
    model = create_model(name, n_categories=len(CATEGORIES), image_size_px=spec.size_px, **options)
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
    if model.mean_image is not None:
        nn.init.uniform_(model.mean_image, 0, 0.3)
    return Encoder(
        model,
        spec=spec,
        categories=CATEGORIES,
        temperature=1.3,
        unsure_below=0.4,
        unsure_precision=0.9,
        unknown_below=0.3,
        precision=precision,
    )
