"""Find empty pictures and near copies in a folder: python clean_imagehash.py FOLDER."""

import sys
from collections import Counter
from itertools import combinations
from pathlib import Path

import imagehash
from PIL import Image, ImageOps

hashes = {}
for path in sorted(Path(sys.argv[1]).rglob("*.png")):
    try:
        ink = ImageOps.invert(Image.open(path).convert("L"))
    except OSError as error:
        print("unreadable", path, error)
        continue
    if ink.getbbox() is None:
        print("empty", path)
    else:
        hashes[path] = imagehash.phash(ink.crop(ink.getbbox()), hash_size=16)
for (path, one), (other, two) in combinations(hashes.items(), 2):
    if one - two <= 12:
        print("copies", path, other)
print(Counter(path.parent.name for path in hashes))
