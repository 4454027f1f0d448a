"""Classify a drawing with CLIP: python classify_clip.py drawing.png."""

import sys

from transformers import pipeline

CATEGORIES = ["airplane", "apple", "bicycle", "circle", "house", "ladder", "star"]  # ... 345 names
clip = pipeline("zero-shot-image-classification", model="openai/clip-vit-base-patch32")
labels = [f"a black and white sketch of a {name}" for name in CATEGORIES]
for answer in clip(sys.argv[1], candidate_labels=labels)[:5]:
    print(f"{answer['score']:.1%} {answer['label']}")
