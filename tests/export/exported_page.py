"""The drawings of the exported page under test."""

CATEGORIES = ("triangle", "house", "ladder", "envelope")
#: Fewer than fifty drawings in all, so that the map takes no time.
PER_CATEGORY = 12
