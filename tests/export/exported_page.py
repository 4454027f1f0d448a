"""The drawings of the exported page under test."""

CATEGORIES = ("triangle", "house", "ladder", "envelope")
#: Fewer than fifty drawings in all, so that the map takes no time.
PER_CATEGORY = 12
#: The original file of the first drawing.
ORIGINAL = (
    b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><path d="M0 9h9L4.5 0z"/></svg>'
)
