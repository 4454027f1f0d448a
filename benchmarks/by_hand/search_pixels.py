"""Find icons like a drawing, by blurred pixels: python search_pixels.py ICONS query.png."""

import io
import sys
from pathlib import Path

import faiss
import numpy as np
import resvg_py
from PIL import Image, ImageFilter, ImageOps


def picture(path):
    if path.suffix != ".svg":
        return Image.open(path).convert("L")
    png = resvg_py.svg_to_bytes(svg_path=str(path), background="white", width=256)
    return Image.open(io.BytesIO(bytes(png))).convert("L")


def embed(image):
    ink = ImageOps.invert(image)
    ink = ImageOps.pad(ink.crop(ink.getbbox()), (32, 32)).filter(ImageFilter.GaussianBlur(1.5))
    vector = np.asarray(ink, np.float32).ravel()
    return vector / np.linalg.norm(vector)


paths = sorted(Path(sys.argv[1]).rglob("*.svg"))
index = faiss.IndexFlatIP(32 * 32)
index.add(np.stack([embed(picture(path)) for path in paths]))
scores, found = index.search(embed(picture(Path(sys.argv[2])))[None], 10)
for score, i in zip(scores[0], found[0]):
    print(f"{score:.3f} {paths[i]}")
