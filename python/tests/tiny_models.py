"""Models of the kinds that the examples load, of a few megabytes and with random weights:
what they draw and judge means nothing, but all of the frameworks' own code runs.

python tiny_models.py diffusion FOLDER          python tiny_models.py clip FOLDER
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def diffusion(folder: Path) -> None:
    """A Stable Diffusion pipeline that draws 32x32 pictures."""
    import torch
    from diffusers import (
        AutoencoderKL,
        EulerDiscreteScheduler,
        StableDiffusionPipeline,
        UNet2DConditionModel,
    )
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(0)
    tokenizer = _tokenizer(folder / "words")
    unet = UNet2DConditionModel(
        sample_size=16,
        block_out_channels=(32, 64),
        layers_per_block=1,
        cross_attention_dim=32,
        attention_head_dim=8,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
    )
    vae = AutoencoderKL(
        block_out_channels=(32, 64),
        down_block_types=("DownEncoderBlock2D", "DownEncoderBlock2D"),
        up_block_types=("UpDecoderBlock2D", "UpDecoderBlock2D"),
        latent_channels=4,
    )
    reader = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=37,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=77,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    StableDiffusionPipeline(
        vae=vae,
        text_encoder=CLIPTextModel(reader),
        tokenizer=tokenizer,
        unet=unet,
        scheduler=EulerDiscreteScheduler(steps_offset=1),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(folder)


def _tokenizer(folder: Path) -> Any:
    """One that knows single letters and nothing longer."""
    from transformers import CLIPTokenizer

    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    tokens = [*letters, *(f"{letter}</w>" for letter in letters)]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True)
    (folder / "vocab.json").write_text(json.dumps({token: n for n, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return CLIPTokenizer.from_pretrained(folder, model_max_length=77)


def clip(folder: Path) -> None:
    """A model of open_clip, which looks at pictures of 32x32."""
    import open_clip
    import torch

    torch.manual_seed(0)
    shape = {
        "embed_dim": 16,
        "vision_cfg": {"image_size": 32, "patch_size": 8, "width": 64, "layers": 1},
        "text_cfg": {
            "context_length": 77,
            "vocab_size": 49408,  # that of the tokenizer which open_clip brings along
            "width": 8,
            "heads": 1,
            "layers": 1,
        },
    }
    folder.mkdir(parents=True)
    told = {"model_cfg": shape, "preprocess_cfg": {}}
    (folder / "open_clip_config.json").write_text(json.dumps(told))
    made = open_clip.create_model(f"local-dir:{folder}", load_weights=False)
    torch.save(made.state_dict(), folder / "open_clip_pytorch_model.bin")


if __name__ == "__main__":
    {"diffusion": diffusion, "clip": clip}[sys.argv[1]](Path(sys.argv[2]))
