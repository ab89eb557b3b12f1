"""The contenders written in Python: OpenCV and Pillow. One thread, bytes in, bytes out.

`peers.py WHO CASE FOLDER PASSES` prints one line of JSON like the other contenders.
"""

import io
import json
import pathlib
import sys
import time

SIZE = (512, 512)


def opencv(case):
    import cv2

    cv2.setNumThreads(1)
    import numpy

    how = cv2.IMREAD_GRAYSCALE if case in ("gray", "threshold") else cv2.IMREAD_COLOR
    # OpenCV has no antialiasing Lanczos: INTER_LANCZOS4 is what its users take.
    filter = cv2.INTER_LANCZOS4 if case == "lanczos" else cv2.INTER_LINEAR
    settings = [cv2.IMWRITE_JPEG_QUALITY, 90]

    def one(data):
        # imdecode honours EXIF, as our own decoder does.
        picture = cv2.imdecode(numpy.frombuffer(data, numpy.uint8), how)
        picture = cv2.resize(picture, SIZE, interpolation=filter)
        if case == "threshold":
            _, picture = cv2.threshold(picture, 127, 255, cv2.THRESH_BINARY)
        return cv2.imencode(".jpg", picture, settings)[1].tobytes()

    return one


def pillow(case):
    from PIL import Image

    filter = Image.Resampling.LANCZOS if case == "lanczos" else Image.Resampling.BILINEAR

    def one(data):
        picture = Image.open(io.BytesIO(data))
        if case in ("gray", "threshold"):
            picture.draft("L", None)
            picture = picture.convert("L")
        elif case == "fast":
            picture.draft("RGB", SIZE)
        picture = picture.resize(SIZE, filter)
        if case == "threshold":
            picture = picture.point(lambda luma: 255 if luma > 127 else 0)
        out = io.BytesIO()
        picture.save(out, "JPEG", quality=90)
        return out.getvalue()

    return one


def main():
    who, case, folder, passes = sys.argv[1:]
    files = [path.read_bytes() for path in sorted(pathlib.Path(folder).iterdir())]
    one = {"opencv": opencv, "pillow": pillow}[who](case)
    written = sum(len(one(data)) for data in files)
    before = time.process_time()
    for _ in range(int(passes)):
        for data in files:
            one(data)
    ms = (time.process_time() - before) * 1000 / int(passes) / len(files)
    print(json.dumps({"ms": round(ms, 4), "bytes": written}))


main()
