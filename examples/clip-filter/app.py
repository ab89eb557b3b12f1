"""Keeps the pictures of a folder that show what a text says, as CLIP judges it.

CLIP_MODEL and CLIP_WEIGHTS name a model of open_clip.

python app.py photos/ "a windmill" 0.25             prints those that score 0.25 or more
python app.py photos/ "a windmill" 0.25 --served    the same, judged by a server's workers
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Union

from PIL import Image

import gristmill as gm

MODEL = os.environ.get("CLIP_MODEL", "ViT-B-32")
WEIGHTS = os.environ.get("CLIP_WEIGHTS", "laion2b_s34b_b79k")
ENDINGS = {".jpg", ".jpeg", ".png", ".webp"}


@gm.handler(name="clip-score", gpus=0.25, vram="2GiB", batch=64, batch_wait="20ms")
class Score:
    """How well a picture fits a text: about 0.1 for not at all, 0.3 for well."""

    def setup(self) -> None:
        """Loads the model once; the session then keeps it on its GPU."""
        # Imported here, so that a machine without torch can still tell what the handler takes.
        import open_clip
        import torch

        self.torch = torch
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        model, _, self.prepare = open_clip.create_model_and_transforms(MODEL, pretrained=WEIGHTS)
        self.model = model.to(self.device).eval()
        self.tokenize = open_clip.get_tokenizer(MODEL)

    def __call__(self, images: list[Image.Image], texts: list[str]) -> list[float]:
        """One pass of the model for all pictures of the batch."""
        pixels = self.torch.stack([self.prepare(image.convert("RGB")) for image in images])
        with self.torch.inference_mode():
            pictures = self.model.encode_image(pixels.to(self.device), normalize=True)
            words = self.model.encode_text(self.tokenize(texts).to(self.device), normalize=True)
            scores: list[float] = (pictures * words).sum(dim=-1).tolist()
        return scores


Judged = Union[float, Exception]
"""A score, or why there is none: a picture that cannot be read stops nothing."""


def judged_here(paths: list[Path], text: str) -> Iterator[Judged]:
    """Scores by a model in this process, one after the other."""
    score = Score()
    score.setup()
    for path in paths:
        try:
            yield score([Image.open(path)], [text])[0]
        except OSError as error:
            yield error


def judged_by_a_server(paths: list[Path], text: str) -> Iterator[Judged]:
    """Scores by a server's workers, in batches."""
    with gm.Client() as client:
        inputs = ({"image": path, "text": text} for path in paths)
        yield from client.map("clip-score", inputs, errors="return")


def kept(paths: Iterable[Path], scores: Iterable[Judged], least: float) -> Iterator[Path]:
    """The pictures that score enough; what could not be judged is named on standard error."""
    for path, score in zip(paths, scores):
        if isinstance(score, Exception):
            print(f"{path}: {score}", file=sys.stderr)
        elif score >= least:
            yield path


def main(folder: str, text: str, least: str, *further: str) -> None:
    """Prints the paths that are kept."""
    paths = sorted(path for path in Path(folder).rglob("*") if path.suffix.lower() in ENDINGS)
    judge = judged_by_a_server if "--served" in further else judged_here
    for path in kept(paths, judge(paths, text), float(least)):
        print(path)


if __name__ == "__main__":
    main(*sys.argv[1:])
