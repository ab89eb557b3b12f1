"""The negative of a picture.

python app.py in.jpg out.png        does it here
"""

from __future__ import annotations

import sys

import numpy
from PIL import Image, ImageOps

import gristmill as gm


@gm.handler(cpus=1, timeout="1m")
def negative(image: Image.Image, strength: float = 1.0) -> Image.Image:
    """Turns light into dark and dark into light.

    A strength of 0 changes nothing, 1 gives the full negative.
    """
    if not 0 <= strength <= 1:
        raise gm.InvalidInput(f"strength is {strength}: use 0 to 1")
    pixels = numpy.asarray(ImageOps.exif_transpose(image).convert("RGB"), dtype=numpy.float32)
    mixed = pixels + (255 - 2 * pixels) * numpy.float32(strength)
    return Image.fromarray(mixed.round().astype(numpy.uint8))


if __name__ == "__main__":
    source, target = sys.argv[1:]
    negative(Image.open(source)).save(target)
