#!/usr/bin/env python3
"""Makes samples/photos from the photographs that ATTRIBUTION.md names.

Kept so that anybody can see what was done to each picture; nothing in the build runs it. It wants
Pillow and a folder with the four sources, unpacked:

    SOURCES/skimage/data/...             the scikit-image 0.25.2 wheel
    SOURCES/usr/share/backgrounds/...    the Debian package lomiri-wallpapers-16.04 20.04.0-2
    SOURCES/usr/share/mypaint/...        the Debian package mypaint-data-extras 2.0.1-9

Usage: samples/make.py SOURCES [TARGET]
"""

import shutil
import sys
from pathlib import Path

from PIL import Image

ORIENTATION = 0x0112  # the EXIF tag that says which way is up


def main(sources: Path, target: Path) -> None:
    science = sources / "skimage/data"
    paper = sources / "usr/share/mypaint/backgrounds"
    field = Image.open(sources / "usr/share/backgrounds/seeding_by_Clements_Engelhardt.jpg")
    (target / "meadow").mkdir(parents=True, exist_ok=True)

    def jpeg(picture, name, quality=80, **how):
        picture.save(target / name, "JPEG", quality=quality, optimize=True, **how)

    # The large ones: one 16 MP photograph of a meadow, whole and in part, as a camera would have it.
    jpeg(field.resize((4000, 2250), Image.Resampling.LANCZOS), "meadow/evening.jpg", 77)
    jpeg(field.crop((2400, 0, 4400, 1400)), "meadow/sunburst.jpg", subsampling=0)
    jpeg(field.crop((600, 100, 2500, 2948)).resize((1267, 1900)), "meadow/tall.jpg", progressive=True)
    jpeg(field.crop((3900, 1900, 4900, 2900)).resize((640, 640)), "meadow/square.jpg")

    # As a phone held upright writes it: the sensor's rows lie on their side, EXIF says so.
    upright = field.crop((640, 160, 2420, 2800)).resize((1200, 1780), Image.Resampling.LANCZOS)
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    jpeg(upright.transpose(Image.Transpose.ROTATE_90), "meadow/phone-upright.jpg", exif=exif)

    # The small ones, in the formats and flavours that people have.
    for untouched in ("retina.jpg", "rocket.jpg", "chelsea.png", "cell.png", "microaneurysms.png"):
        shutil.copyfile(science / untouched, target / untouched)
    shutil.copyfile(paper / "ramon/HR_Cork.png", target / "cork.png")

    def photo(name):
        return Image.open(science / name)

    jpeg(photo("astronaut.png"), "astronaut.jpg", 85)
    jpeg(photo("hubble_deep_field.jpg"), "hubble.jpg", 75)
    jpeg(photo("camera.png"), "camera.jpg", 85)  # one channel
    jpeg(photo("brick.png"), "brick.jpg", 70, progressive=True)
    jpeg(photo("chelsea.png").crop((90, 10, 340, 290)), "chelsea-portrait.JPEG", 90)
    jpeg(photo("rocket.jpg").crop((240, 0, 440, 427)), "rocket-tall.jpg", 85)
    jpeg(photo("coffee.png").crop((100, 40, 420, 360)), "espresso.jpg", 85, subsampling=0)
    photo("coffee.png").save(target / "coffee.webp", quality=80, method=6)
    photo("clock_motion.png").save(target / "clock.gif")
    photo("gravel.png").crop((0, 0, 320, 240)).save(target / "gravel.tiff", compression="tiff_lzw")
    photo("grass.png").crop((0, 0, 240, 160)).save(target / "grass.bmp")


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    here = Path(__file__).resolve().parent
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) == 3 else here / "photos")
