"""Train a small network on folders of pictures: python train_cnn.py TRAIN TEST model.pt."""

import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import nn

EPOCHS = 30


def picture(path):
    ink = ImageOps.invert(Image.open(path).convert("L"))
    ink = ImageOps.pad(ink.crop(ink.getbbox()), (64, 64))
    return torch.from_numpy(np.asarray(ink, np.float32) / 255)[None]


def network(n_categories):
    def block(n_in, n_out):
        layers = nn.Conv2d(n_in, n_out, 3, padding=1), nn.BatchNorm2d(n_out), nn.ReLU()
        return nn.Sequential(*layers, nn.MaxPool2d(2))

    blocks = block(1, 32), block(32, 64), block(64, 128), block(128, 128)
    head = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.3), nn.Linear(128, n_categories)
    return nn.Sequential(*blocks, *head)


def load(folder, categories):
    paths = [(path, i) for i, name in enumerate(categories) for path in (folder / name).iterdir()]
    images = torch.stack([picture(path) for path, _ in paths])
    return images, torch.tensor([label for _, label in paths])


def main(train_folder, test_folder, target):
    categories = sorted(path.name for path in train_folder.iterdir())
    images, labels = load(train_folder, categories)
    model = network(len(categories))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(images)).split(32):
            inputs = images[batch]
            flipped = torch.rand(len(batch)) < 0.5
            inputs[flipped] = inputs[flipped].flip(-1)
            loss = nn.functional.cross_entropy(model(inputs), labels[batch], label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    model.eval()
    images, labels = load(test_folder, categories)
    with torch.no_grad():
        print(f"top-1 {(model(images).argmax(1) == labels).float().mean():.1%}")
    torch.save({"categories": categories, "weights": model.state_dict()}, target)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
