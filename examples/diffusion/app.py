"""Pictures from prompts, with Stable Diffusion or another model that diffusers can load.

DIFFUSION_MODEL names the model, DIFFUSION_STEPS and DIFFUSION_GUIDANCE how it is run.

python app.py "a red mill"          makes one here, as out.png
"""

from __future__ import annotations

import os
import sys
from typing import Any, Optional

from PIL import Image

import gristmill as gm

MODEL = os.environ.get("DIFFUSION_MODEL", "stabilityai/sd-turbo")
STEPS = int(os.environ.get("DIFFUSION_STEPS", "4"))
# Distilled models such as sd-turbo want none; others want about 7, and 25 steps or more.
GUIDANCE = float(os.environ.get("DIFFUSION_GUIDANCE", "0"))


@gm.handler(name="generate", gpus=1, vram="8GiB", batch=8, batch_wait="50ms", timeout="10m")
class Generate:
    """Draws a picture for each prompt. The same seed draws the same picture."""

    def setup(self) -> None:
        """Loads the model once; the session then keeps it on its GPU."""
        # Imported here, so that a machine without torch can still tell what the handler takes.
        import torch
        from diffusers import AutoPipelineForText2Image

        self.torch = torch
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        half = torch.float16 if self.device == "cuda" else torch.float32
        pipeline = AutoPipelineForText2Image.from_pretrained(MODEL)
        pipeline.set_progress_bar_config(disable=True)
        self.pipeline = pipeline.to(self.device, half)

    def __call__(self, prompts: list[str], seeds: list[Optional[int]]) -> list[Image.Image]:
        """One call of the model for all prompts of the batch."""
        images: list[Image.Image] = self.pipeline(
            prompt=prompts,
            generator=[self._dice(seed) for seed in seeds],
            num_inference_steps=STEPS,
            guidance_scale=GUIDANCE,
            callback_on_step_end=_after_step,
        ).images
        return images

    def _dice(self, seed: Optional[int]) -> Any:
        dice = self.torch.Generator(device=self.device)
        if seed is None:
            dice.seed()
        else:
            dice.manual_seed(seed)
        return dice


def _after_step(pipeline: Any, step: int, _time: int, kept: dict[str, Any]) -> dict[str, Any]:
    gm.progress(step + 1, STEPS, "denoising")
    # Nobody waits for the pictures any more: the pipeline leaves the steps out that are left.
    if gm.cancelled():
        pipeline._interrupt = True
    return kept


if __name__ == "__main__":
    app = Generate()
    app.setup()
    app(sys.argv[1:], [None] * len(sys.argv[1:]))[0].save("out.png")
