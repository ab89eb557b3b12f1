"""The worked examples, as far as what they need is installed."""

from __future__ import annotations

import base64
import importlib.util
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from host_process import PACKAGE, HostProcess
from PIL import Image

import gristmill as gm

EXAMPLES = PACKAGE.parent / "examples"


@pytest.fixture
def negative(tmp_path: Path) -> Iterator[HostProcess]:
    process = HostProcess(tmp_path, f"{EXAMPLES / 'negative' / 'app.py'}:negative")
    yield process.ready()
    process.kill()


def _png(color: tuple[int, int, int]) -> dict[str, str]:
    made = io.BytesIO()
    Image.new("RGB", (4, 3), color).save(made, "PNG")
    return {"$bytes": base64.b64encode(made.getvalue()).decode()}


def _first_pixel(value: Any) -> Any:
    return Image.open(value["$file"]["path"]).getpixel((0, 0))


def test_negative(negative: HostProcess) -> None:
    assert _first_pixel(negative.value(_png((0, 10, 255)))) == (255, 245, 0)
    unchanged = negative.value({"image": _png((0, 10, 255)), "strength": 0})
    assert _first_pixel(unchanged) == (0, 10, 255)
    error = negative.error({"image": _png((0, 0, 0)), "strength": 2})
    assert (error["kind"], error["message"]) == ("invalid", "strength is 2.0: use 0 to 1")


def test_negative_as_a_program(tmp_path: Path) -> None:
    Image.new("RGB", (2, 2), (255, 0, 0)).save(tmp_path / "in.png")
    program = EXAMPLES / "negative" / "app.py"
    subprocess.run(
        [sys.executable, str(program), "in.png", "out.png"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(PACKAGE)},
        check=True,
        timeout=30,
    )
    assert Image.open(tmp_path / "out.png").getpixel((0, 0)) == (0, 255, 255)


DESCRIBED = [
    ("diffusion", "Generate", "generate", ["prompt"], ["prompt", "seed"]),
    ("clip-filter", "Score", "clip-score", ["image", "text"], ["image", "text"]),
]


@pytest.mark.parametrize(("folder", "entry", "name", "required", "keys"), DESCRIBED)
def test_models_can_be_described_where_their_frameworks_are_not(
    folder: str, entry: str, name: str, required: list[str], keys: list[str]
) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "gristmill.host", "describe", f"app.py:{entry}"],
        cwd=EXAMPLES / folder,
        env={"PYTHONPATH": str(PACKAGE)},
        capture_output=True,
        check=True,
        timeout=30,
    )
    made = json.loads(told.stdout)
    assert made["name"] == name
    assert made["signature"]["input"]["required"] == required
    assert list(made["signature"]["input"]["properties"]) == keys


def _loaded(folder: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location("app", EXAMPLES / folder / "app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_clip_filter_keeps_what_scores_enough(capsys: pytest.CaptureFixture[str]) -> None:
    app = _loaded("clip-filter")
    failed = gm.JobFailed("j1", "failed", "invalid", "bad_input", "not an image")
    paths = [Path("a.png"), Path("b.png"), Path("c.png")]
    assert list(app.kept(paths, [0.1, failed, 0.3], 0.25)) == [Path("c.png")]
    assert capsys.readouterr().err == "b.png: not an image\n"


def test_clip_score_with_a_small_model(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch", reason="torch is not installed; CLIP is then not tested")
    open_clip = pytest.importorskip("open_clip", reason="open_clip is not installed")
    app = _loaded("clip-filter")
    # Random weights: what is tested is that shapes and devices fit.
    monkeypatch.setattr(app, "WEIGHTS", None)
    score = app.Score()
    score.setup()
    assert open_clip is not None
    scores = score([Image.new("RGB", (300, 200))] * 2, ["a mill", "a cat"])
    assert len(scores) == 2
    assert all(-1 <= each <= 1 for each in scores)


def test_diffusion_with_a_stub_of_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch", reason="torch is not installed; diffusion is then not tested")
    diffusers = pytest.importorskip("diffusers", reason="diffusers is not installed")
    app = _loaded("diffusion")
    seen: dict[str, Any] = {}

    class Pipeline:
        images = [Image.new("RGB", (8, 8))] * 2

        def set_progress_bar_config(self, disable: bool) -> None:
            pass

        def to(self, device: str) -> Pipeline:
            return self

        def __call__(self, **given: Any) -> Pipeline:
            seen.update(given)
            given["callback_on_step_end"](self, 0, 0, {})
            return self

    monkeypatch.setattr(
        diffusers.AutoPipelineForText2Image, "from_pretrained", lambda *_, **__: Pipeline()
    )
    generate = app.Generate()
    generate.setup()
    assert len(generate(["a", "b"], [1, None])) == 2
    assert seen["generator"][0].initial_seed() == 1
