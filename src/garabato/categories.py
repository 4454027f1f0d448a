"""The 345 categories of Quick, Draw!, and choices of categories."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Sequence
from numbers import Integral
from typing import Literal

from garabato.errors import CategoryError, InputError, did_you_mean

# fmt: off
CATEGORIES: tuple[str, ...] = (
    "The Eiffel Tower", "The Great Wall of China", "The Mona Lisa", "aircraft carrier", "airplane",
    "alarm clock", "ambulance", "angel", "animal migration", "ant", "anvil", "apple", "arm",
    "asparagus", "axe", "backpack", "banana", "bandage", "barn", "baseball", "baseball bat",
    "basket", "basketball", "bat", "bathtub", "beach", "bear", "beard", "bed", "bee", "belt",
    "bench", "bicycle", "binoculars", "bird", "birthday cake", "blackberry", "blueberry", "book",
    "boomerang", "bottlecap", "bowtie", "bracelet", "brain", "bread", "bridge", "broccoli", "broom",
    "bucket", "bulldozer", "bus", "bush", "butterfly", "cactus", "cake", "calculator", "calendar",
    "camel", "camera", "camouflage", "campfire", "candle", "cannon", "canoe", "car", "carrot",
    "castle", "cat", "ceiling fan", "cell phone", "cello", "chair", "chandelier", "church",
    "circle", "clarinet", "clock", "cloud", "coffee cup", "compass", "computer", "cookie", "cooler",
    "couch", "cow", "crab", "crayon", "crocodile", "crown", "cruise ship", "cup", "diamond",
    "dishwasher", "diving board", "dog", "dolphin", "donut", "door", "dragon", "dresser", "drill",
    "drums", "duck", "dumbbell", "ear", "elbow", "elephant", "envelope", "eraser", "eye",
    "eyeglasses", "face", "fan", "feather", "fence", "finger", "fire hydrant", "fireplace",
    "firetruck", "fish", "flamingo", "flashlight", "flip flops", "floor lamp", "flower",
    "flying saucer", "foot", "fork", "frog", "frying pan", "garden", "garden hose", "giraffe",
    "goatee", "golf club", "grapes", "grass", "guitar", "hamburger", "hammer", "hand", "harp",
    "hat", "headphones", "hedgehog", "helicopter", "helmet", "hexagon", "hockey puck",
    "hockey stick", "horse", "hospital", "hot air balloon", "hot dog", "hot tub", "hourglass",
    "house", "house plant", "hurricane", "ice cream", "jacket", "jail", "kangaroo", "key",
    "keyboard", "knee", "knife", "ladder", "lantern", "laptop", "leaf", "leg", "light bulb",
    "lighter", "lighthouse", "lightning", "line", "lion", "lipstick", "lobster", "lollipop",
    "mailbox", "map", "marker", "matches", "megaphone", "mermaid", "microphone", "microwave",
    "monkey", "moon", "mosquito", "motorbike", "mountain", "mouse", "moustache", "mouth", "mug",
    "mushroom", "nail", "necklace", "nose", "ocean", "octagon", "octopus", "onion", "oven", "owl",
    "paint can", "paintbrush", "palm tree", "panda", "pants", "paper clip", "parachute", "parrot",
    "passport", "peanut", "pear", "peas", "pencil", "penguin", "piano", "pickup truck",
    "picture frame", "pig", "pillow", "pineapple", "pizza", "pliers", "police car", "pond", "pool",
    "popsicle", "postcard", "potato", "power outlet", "purse", "rabbit", "raccoon", "radio", "rain",
    "rainbow", "rake", "remote control", "rhinoceros", "rifle", "river", "roller coaster",
    "rollerskates", "sailboat", "sandwich", "saw", "saxophone", "school bus", "scissors",
    "scorpion", "screwdriver", "sea turtle", "see saw", "shark", "sheep", "shoe", "shorts",
    "shovel", "sink", "skateboard", "skull", "skyscraper", "sleeping bag", "smiley face", "snail",
    "snake", "snorkel", "snowflake", "snowman", "soccer ball", "sock", "speedboat", "spider",
    "spoon", "spreadsheet", "square", "squiggle", "squirrel", "stairs", "star", "steak", "stereo",
    "stethoscope", "stitches", "stop sign", "stove", "strawberry", "streetlight", "string bean",
    "submarine", "suitcase", "sun", "swan", "sweater", "swing set", "sword", "syringe", "t-shirt",
    "table", "teapot", "teddy-bear", "telephone", "television", "tennis racquet", "tent", "tiger",
    "toaster", "toe", "toilet", "tooth", "toothbrush", "toothpaste", "tornado", "tractor",
    "traffic light", "train", "tree", "triangle", "trombone", "truck", "trumpet", "umbrella",
    "underwear", "van", "vase", "violin", "washing machine", "watermelon", "waterslide", "whale",
    "wheel", "windmill", "wine bottle", "wine glass", "wristwatch", "yoga", "zebra", "zigzag",
)
# fmt: on
"""All category names of the Quick, Draw! data set, sorted by code point."""


#: Bytes of a category in a file name; file systems allow names of 255 bytes.
_MAX_NAME_BYTES = 200

#: A number of random categories, all of them, or these names.
Categories = int | Literal["all"] | Sequence[str]


def choose_categories(available: Sequence[str], wanted: Categories, *, seed: int) -> list[str]:
    """The chosen names, sorted.

    A number of categories is chosen at random by `seed`; with the same seed, a larger choice
    contains a smaller one. A name with commas that is not among `available` stands for several
    names. Raises CategoryError for unknown names and for more categories than there are.
    """
    if wanted == "all":
        return sorted(available)
    if isinstance(wanted, int | Integral):  # or of NumPy
        return sorted(_choose_random(available, int(wanted), seed))
    if isinstance(wanted, str):
        raise InputError(f"categories must be a number, 'all' or a list of names, not {wanted!r}")
    names = set(split_names(wanted, available))
    if unknown := sorted(names - set(available)):
        raise CategoryError("; ".join(_unknown(name, available) for name in unknown))
    return sorted(names)


def split_names(wanted: Iterable[str], available: Collection[str]) -> list[str]:
    """The names in ["cat, dog", "owl"]; a name that has commas itself is taken as it is.

    Raises CategoryError if there is none.
    """
    names: list[str] = []
    for text in wanted:
        parts = [text] if text in available else map(str.strip, text.split(","))
        names += filter(None, parts)
    if not names:
        raise CategoryError("categories is empty; give names, a number or 'all'")
    return names


def file_stem(category: str) -> str:
    """The category as a file name without suffix; if it is changed, a hash keeps names distinct."""
    allowed = re.sub(r'[/\\:*?"<>|\x00-\x1f]|^\.', "_", category)
    stem = allowed.encode()[:_MAX_NAME_BYTES].decode(errors="ignore")
    if stem != category:
        stem += f"-{hashlib.sha256(category.encode()).hexdigest()[:8]}"
    return stem


def _choose_random(available: Sequence[str], n: int, seed: int) -> list[str]:
    if n < 1:
        raise InputError(f"the number of categories must be at least 1, not {n}")
    if n > len(available):
        raise CategoryError(
            f"the source has only {len(available)} categories, not {n}; choose fewer, or 'all'"
        )

    def order(name: str) -> bytes:
        return hashlib.blake2b(f"{seed}/{name}".encode(), person=b"categories").digest()

    return sorted(available, key=order)[:n]


def _unknown(name: str, available: Sequence[str]) -> str:
    known = f"{len(available)} others" if len(available) > 10 else ", ".join(available)
    hint = did_you_mean(name, available, otherwise=f"it has {known}")
    return f"the source has no category {name!r}{hint}"
