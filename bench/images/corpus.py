"""Makes the images the bench runs on, from the repository's own CC0 photographs.

`small`: 500x375 and 375x500 photos of about 0.2 megapixels, quality 90, 4:2:0.
`large`: photos of 2 to 12 megapixels, quality 92, 4:2:0, mosaics of enlarged and mirrored
photographs: a camera's megapixels hold about that much detail. The same seed gives the same files.
"""

import pathlib
import random

import cv2
import numpy

SMALL = 60
LARGE_SIDES = [(1600, 1200), (2048, 1536), (2560, 1920), (3264, 2448), (4000, 3000)]
TILE = 480


def photographs(folder):
    names = sorted(p for p in pathlib.Path(folder).iterdir() if p.suffix in (".jpg", ".png", ".webp"))
    pictures = [cv2.imread(str(name), cv2.IMREAD_COLOR) for name in names]
    return [picture for picture in pictures if picture is not None and min(picture.shape[:2]) >= 256]


def write(path, picture, quality):
    settings = [
        cv2.IMWRITE_JPEG_QUALITY, quality,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
    ]
    assert cv2.imwrite(str(path), picture, settings)


def part(chance, picture, width, height, scale):
    """A random part of a picture, `scale` times enlarged, sometimes mirrored."""
    most = min(picture.shape[1] / width, picture.shape[0] / height)
    scale = max(scale, 1 / most)
    w, h = int(width / scale), int(height / scale)
    x, y = chance.randint(0, picture.shape[1] - w), chance.randint(0, picture.shape[0] - h)
    cut = cv2.resize(picture[y:y + h, x:x + w], (width, height), interpolation=cv2.INTER_CUBIC)
    return cut[:, ::-1] if chance.random() < 0.5 else cut


def mosaic(chance, pictures, width, height):
    canvas = numpy.zeros((height, width, 3), numpy.uint8)
    for y in range(0, height, TILE):
        for x in range(0, width, TILE):
            w, h = min(TILE, width - x), min(TILE, height - y)
            canvas[y:y + h, x:x + w] = part(chance, chance.choice(pictures), w, h, 1.6)
    return canvas


def make(photos, target):
    chance = random.Random(20261121)
    pictures = photographs(photos)
    target = pathlib.Path(target)
    (target / "small").mkdir(parents=True)
    (target / "large").mkdir()
    for number in range(SMALL):
        width, height = (500, 375) if number % 3 else (375, 500)
        scale = chance.uniform(0.7, 1.3)
        picture = part(chance, pictures[number % len(pictures)], width, height, scale)
        write(target / "small" / f"{number:03}.jpg", picture, 90)
    for number, (width, height) in enumerate(LARGE_SIDES * 2):
        if number % 2:
            width, height = height, width
        write(target / "large" / f"{number:03}.jpg", mosaic(chance, pictures, width, height), 92)
