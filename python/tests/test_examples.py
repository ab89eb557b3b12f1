"""The worked examples, as far as what they need is installed."""

from __future__ import annotations

import base64
import importlib.util
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from host_process import PACKAGE, HostProcess
from mill import binary, serving
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
    failed = OSError("not an image")
    paths = [Path("a.png"), Path("b.png"), Path("c.png")]
    assert list(app.kept(paths, [0.1, failed, 0.3], 0.25)) == [Path("c.png")]
    assert capsys.readouterr().err == "b.png: not an image\n"


@contextmanager
def _served(folder: str, entry: str, place: Path, **settings: str) -> Iterator[str]:
    """The address of a server that works with an example, as on a machine without GPUs."""
    gristmill = binary()
    if gristmill is None:
        pytest.skip("no binary `gristmill`: build it with cargo, or name it in GRISTMILL_BINARY")
    words = ["--work", f"app.py:{entry}", "--python", sys.executable, "--no-gpus"]
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(PACKAGE), **settings}
    if entry != "negative":
        words += ["--gpu", "0", "--vram", "0"]
    example, log = EXAMPLES / folder, place / "serve.log"
    with serving(gristmill, *words, cwd=example, log=log, environment=environment) as url:
        yield url


def _model(kind: str, place: Path, *needs: str) -> str:
    """Where a small model is; in a process of its own, for frameworks warn of much."""
    for each in needs:
        if importlib.util.find_spec(each) is None:
            pytest.skip(f"{each} is not installed; the example {kind} is then not served")
    folder = place / kind
    words = [sys.executable, str(Path(__file__).parent / "tiny_models.py"), kind, str(folder)]
    made = subprocess.run(words, check=False, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    return str(folder)


def test_negative_is_served(tmp_path: Path) -> None:
    with _served("negative", "negative", tmp_path) as url, gm.Client(url) as client:
        white = Image.new("RGB", (300, 200), "white")
        assert client.call("negative", image=white).image().getpixel((0, 0)) == (0, 0, 0)
        shades = client.map("negative", [Image.new("RGB", (3, 2), (n, 0, 9)) for n in range(4)])
        assert shades.numpy()[:, 0, 0].tolist() == [[255 - n, 255, 246] for n in range(4)]


@pytest.mark.timeout(300)
def test_diffusion_is_served(tmp_path: Path) -> None:
    model = _model("diffusion", tmp_path, "torch", "diffusers", "transformers")
    served = _served("diffusion", "Generate", tmp_path, DIFFUSION_MODEL=model)
    with served as url, gm.Client(url) as client:
        asked = [("a red mill", 1), ("a blue mill", 1), ("a red mill", 1), ("a red mill", 2)]
        prompts = [{"prompt": prompt, "seed": seed} for prompt, seed in asked]
        red, blue, again, other = client.map("generate", prompts).numpy()
        assert red.shape == (32, 32, 3)
        assert (red == again).all(), "the same seed draws the same"
        assert (red != blue).any()
        assert (red != other).any()
        assert client.call("generate", "a mill").image().size == (32, 32), "a seed is not needed"


@pytest.mark.timeout(300)
def test_clip_filters_a_folder(tmp_path: Path) -> None:
    model = "local-dir:" + _model("clip", tmp_path, "torch", "open_clip")
    photos = tmp_path / "photos"
    photos.mkdir()
    Image.new("RGB", (300, 200), "red").save(photos / "red.png")
    Image.new("L", (64, 64), 20).save(photos / "gray.jpg")
    (photos / "broken.png").write_text("no picture")

    def kept(*further: str, **settings: str) -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "app.py", str(photos), "a mill", "-1", *further]
        environment = {"PYTHONPATH": str(PACKAGE), "CLIP_MODEL": model, **settings}
        return subprocess.run(
            words,
            cwd=EXAMPLES / "clip-filter",
            env=environment,
            capture_output=True,
            check=True,
            text=True,
        )

    with _served("clip-filter", "Score", tmp_path, CLIP_MODEL=model) as url:
        served = kept("--served", GRISTMILL_SERVER=url)
    here = kept()
    for told in (served, here):
        assert told.stdout.split() == [str(photos / "gray.jpg"), str(photos / "red.png")]
        assert "broken.png: " in told.stderr
