"""What a handler's results are sent as, through the real host."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy
import pytest
from conftest import Start
from PIL import Image

SOURCE = """
import dataclasses, enum, pathlib, collections
import numpy
from PIL import Image

class Style(enum.Enum):
    OIL = 'oil'

class Level(enum.IntEnum):
    HIGH = 2

@dataclasses.dataclass
class Mill:
    name: str
    stones: tuple

Pair = collections.namedtuple('Pair', 'a b')
"""

SENT = [
    ("None", None),
    ("'text'", "text"),
    ("True", True),
    ("2 ** 64 - 1", 2**64 - 1),
    ("0.5", 0.5),
    ("[1, (2, 3)]", [1, [2, 3]]),
    ("{'a': {'b': None}, 3: 4}", {"a": {"b": None}, "3": 4}),
    ("Style.OIL", "oil"),
    ("{Style.OIL: Level.HIGH}", {"oil": 2}),
    ("Mill('red', (1, 2))", {"name": "red", "stones": [1, 2]}),
    ("Pair(1, 'x')", [1, "x"]),
    ("numpy.float32(0.5)", 0.5),
    ("numpy.int64(5)", 5),
    ("numpy.bool_(True)", True),
    ("b'abc'", {"$bytes": "YWJj"}),
    ("bytearray(b'abc')", {"$bytes": "YWJj"}),
    (
        "numpy.array([[1, 2]], '>i2')",
        {"$array": {"dtype": "int16", "shape": [1, 2], "data": "AQACAA=="}},
    ),
    ("numpy.array(1, 'u1')", {"$array": {"dtype": "uint8", "shape": [], "data": "AQ=="}}),
    (
        "numpy.arange(4, dtype='u1').reshape(2, 2).T",
        {"$array": {"dtype": "uint8", "shape": [2, 2], "data": "AAIBAw=="}},
    ),
]


@pytest.mark.parametrize(("expression", "wanted"), SENT)
def test_sent_inline(host: Start, expression: str, wanted: Any) -> None:
    process = host(f"{SOURCE}\ndef work(n: int): return {expression}").ready()
    assert process.value(1) == wanted


def _opened(value: Any, folder: Path) -> tuple[str, str, bytes]:
    file = value["$file"]
    path = Path(file["path"])
    assert path.parent == folder, "a file lies in the folder that the worker named"
    return file["name"], file["media"], path.read_bytes()


def test_large_bytes_become_a_file(host: Start) -> None:
    process = host("def work(n: int): return {'index file': b'x' * n}").ready()
    assert process.value(1024) == {"index file": {"$bytes": base64.b64encode(b"x" * 1024).decode()}}
    name, media, data = _opened(process.value(1025)["index file"], process.folder)
    assert (name, media) == ("index_file.bin", "application/octet-stream")
    assert data == b"x" * 1025


def test_large_array_becomes_a_file(host: Start) -> None:
    process = host("import numpy\ndef work(n: int): return numpy.arange(n)").ready()
    name, media, data = _opened(process.value(5000), process.folder)
    assert (name, media) == ("result.npy", "application/x-npy")
    assert (numpy.load(io.BytesIO(data), allow_pickle=False) == numpy.arange(5000)).all()


def test_image_is_a_png_file_whatever_its_size(host: Start) -> None:
    process = host(
        "from PIL import Image\ndef work(n: int): return [Image.new('RGB', (n, n), (1, 2, 3))]"
    ).ready()
    name, media, data = _opened(process.value(3)[0], process.folder)
    assert (name, media) == ("result-0.png", "image/png")
    image = Image.open(io.BytesIO(data))
    assert (image.size, image.getpixel((0, 0))) == ((3, 3), (1, 2, 3))


def test_image_that_is_no_png(host: Start) -> None:
    process = host("from PIL import Image\ndef work(n: int): return Image.new('F', (n, n))").ready()
    error = process.error(3)
    assert error["code"] == "bad_output"
    assert "convert it first" in error["message"]
    assert list(process.folder.iterdir()) == [], "half a file is not left behind"


def test_array_of_objects_is_refused(host: Start) -> None:
    process = host("import numpy\ndef work(n: int): return numpy.array([object()])").ready()
    assert process.error(1)["code"] == "bad_output"


def test_path_is_copied_with_its_name_and_kind(host: Start) -> None:
    process = host(
        "from pathlib import Path\n"
        "def work(text: str) -> Path:\n"
        "    Path('out.html').write_text(text)\n"
        "    return Path('out.html')"
    ).ready()
    first, second = process.value("first"), process.value("second")
    assert _opened(first, process.folder) == ("out.html", "text/html", b"first")
    assert _opened(second, process.folder) == ("out.html", "text/html", b"second")


def test_batch_of_one_array_gives_each_item_a_row(host: Start) -> None:
    process = host(
        "import numpy\n@gm.handler(batch=4)\n"
        "def work(ns: list[int]) -> list: return numpy.array(ns) * 2"
    ).ready()
    outcome = process.call(1, 2, 3)
    assert [outcome.ok(item) for item in range(3)] == [2, 4, 6]


def test_no_file_is_named_twice(host: Start) -> None:
    process = host("def work(n: int):\n    yield b'a' * n\n    yield b'b' * n").ready()
    outcome = process.call(5000)
    parts = [frame["value"] for frame in outcome.told("partial")]
    whole = outcome.ok(0)
    paths = {value["$file"]["path"] for value in parts + whole}
    assert len(paths) == 4, "a worker moves a file once it has heard of it"
    for value in parts:
        Path(value["$file"]["path"]).unlink()
    assert [_opened(value, process.folder)[2][:1] for value in whole] == [b"a", b"b"]


def test_names_of_files_stay_in_the_folder(host: Start) -> None:
    process = host("def work(n: int): return {'../../etc/x' * 40: b'a' * n}").ready()
    (value,) = process.value(5000).values()
    assert len(_opened(value, process.folder)[2]) == 5000


def test_tensor(host: Start) -> None:
    pytest.importorskip("torch", reason="torch is not installed; tensors are then not tested")
    process = host(
        "import torch\ndef work(n: int): return torch.ones(n, dtype=torch.bfloat16)"
    ).ready()
    assert process.value(2)["$array"]["dtype"] == "float32"
