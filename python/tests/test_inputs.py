"""What a job's input becomes by the handler's hints, and which inputs are refused, through the real
host."""

from __future__ import annotations

import base64
import io
import sys
from pathlib import Path
from typing import Any

import numpy
import pytest
from conftest import Start
from host_process import HostProcess
from PIL import Image

TYPES = """
import dataclasses, enum
from collections.abc import Sequence
from typing import Any, Literal, NewType, Optional, TypedDict, Union

@dataclasses.dataclass
class Size:
    width: int
    height: int = 8
    def __post_init__(self):
        if self.width < 0: raise ValueError('width is negative')

class Style(enum.Enum):
    OIL = 'oil'
    INK = 'ink'

UserId = NewType('UserId', int)

class Options(TypedDict, total=False):
    steps: int
"""

# hint, input, what `repr` of the argument is
TAKEN = [
    ("str", "a", "'a'"),
    ("int", 3, "3"),
    ("int", 3.0, "3"),
    ("float", 3, "3.0"),
    ("bool", True, "True"),
    ("None", None, "None"),
    ("Literal['a', 1, True]", 1, "1"),
    ("Literal['a', 1, True]", True, "True"),
    ("Optional[int]", None, "None"),
    ("Optional[int]", 3, "3"),
    ("Union[int, str]", "a", "'a'"),
    ("list", [1, "a"], "[1, 'a']"),
    ("list[float]", [1, 2.5], "[1.0, 2.5]"),
    ("Sequence[int]", [1], "[1]"),
    ("tuple[int, ...]", [1, 2], "(1, 2)"),
    ("dict[str, int]", {"a": 1}, "{'a': 1}"),
    ("Size", {"width": 1}, "Size(width=1, height=8)"),
    ("list[Size]", [{"width": 1, "height": 2}], "[Size(width=1, height=2)]"),
    ("Style", "ink", "<Style.INK: 'ink'>"),
    ("Options", {"steps": 3}, "{'steps': 3}"),
    ("UserId", 3, "3"),
    ("Any", {"a": [None]}, "{'a': [None]}"),
    ("Any", {"a": {"$bytes": "YWJj"}}, "{'a': b'abc'}"),
    ("bytes", {"$bytes": "YWJj"}, "b'abc'"),
]

# hint, input, the words of the refusal
REFUSED = [
    ("str", 3, "`x`: expected a text, not 3"),
    ("int", "3", "`x`: expected a whole number, not '3'"),
    ("int", True, "`x`: expected a whole number, not True"),
    ("int", 3.5, "`x`: expected a whole number, not 3.5"),
    ("float", "3", "`x`: expected a number, not '3'"),
    ("bool", 1, "`x`: expected true or false, not 1"),
    ("Literal['a', 'b']", "c", "`x`: expected one of 'a', 'b', not 'c'"),
    ("Literal['a', 'b']", ["a"], "expected one of 'a', 'b'"),
    ("Literal[1]", True, "expected one of 1, not True"),
    ("Optional[int]", "3", "expected a whole number, not '3'; or expected null, not '3'"),
    ("list[int]", "abc", "`x`: expected a list, not 'abc'"),
    ("list[int]", [1, 2, "c"], "`x[2]`: expected a whole number, not 'c'"),
    ("dict[str, int]", [1], "`x`: expected an object"),
    ("dict[str, list[int]]", {"a": [1, None]}, "`x.a[1]`: expected a whole number, not None"),
    ("Size", {"height": 1}, "`x`: `width` is missing"),
    ("Size", {"width": 1, "depth": 2}, "there is no `depth`; there are `width`, `height`"),
    ("Size", {"width": "a"}, "`x.width`: expected a whole number"),
    ("Size", {"width": -1}, "not a Size: width is negative"),
    ("Style", "pastel", "expected one of 'oil', 'ink'"),
    ("Options", {"stops": 3}, "there is no `stops`"),
    ("bytes", "abc", "`x`: expected bytes or a file"),
    ("bytes", {"$bytes": "not base64!"}, "`$bytes` is not base64"),
    ("bytes", {"$file": {"path": "/not/there"}}, "the file /not/there is not there"),
]


def _host(host: Start, hint: str, expression: str = "repr(x)", more: str = "") -> HostProcess:
    return host(f"{TYPES}{more}\ndef work(x: {hint}) -> Any: return {expression}").ready()


@pytest.mark.parametrize(("hint", "given", "wanted"), TAKEN)
def test_taken(host: Start, hint: str, given: Any, wanted: str) -> None:
    process = _host(host, hint)
    assert process.value({"x": given}) == wanted


@pytest.mark.parametrize(("hint", "given", "words"), REFUSED)
def test_refused(host: Start, hint: str, given: Any, words: str) -> None:
    error = _host(host, hint).error({"x": given})
    assert (error["kind"], error["code"]) == ("invalid", "bad_input")
    assert words in error["message"]
    assert error["traceback"] == ""


@pytest.mark.skipif(sys.version_info < (3, 12), reason="`type` aliases begin with Python 3.12")
def test_alias_of_a_type(host: Start) -> None:
    more = "type Sizes[T] = list[T]\ntype Ids = Sizes[UserId]"
    assert _host(host, "Ids", more=more).value({"x": [3.0]}) == "[3]"


def test_names_are_judged(host: Start) -> None:
    process = host("def work(prompt: str, seed: int) -> str: return prompt").ready()
    assert process.error({"prompt": "a"})["message"] == "`seed` is missing"
    unknown = process.error({"prompt": "a", "seed": 1, "sed": 2})["message"]
    assert unknown == "there is no `sed`; there are `prompt`, `seed`"
    assert "expected an object with `prompt`, `seed`, not 'a'" in process.error("a")["message"]
    assert "`prompt` is missing" in process.error({"seed": 1})["message"]


def test_large_values_are_cut_in_messages(host: Start) -> None:
    message = _host(host, "int").error({"x": "y" * 5000})["message"]
    assert len(message) < 200


def _file(path: Path) -> dict[str, Any]:
    return {"$file": {"path": str(path), "name": path.name, "media": ""}}


def test_path(host: Start, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("grain")
    process = _host(host, "Path", "[x.name, x.read_text()]", "from pathlib import Path")
    assert process.value(_file(tmp_path / "a.txt")) == ["a.txt", "grain"]
    name, text = process.value({"x": {"$bytes": base64.b64encode(b"flour").decode()}})
    assert (name[:6], text) == ("input-", "flour")
    assert list(process.folder.iterdir()) == [], "it is gone after the call"
    assert "needs the hint `str`" in process.error("/etc/passwd")["message"]


def test_bytes_of_a_file(host: Start, tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"\0\1")
    assert _host(host, "bytes").value(_file(tmp_path / "a.bin")) == "b'\\x00\\x01'"


PILLOW = "from PIL import Image"


def _png(color: tuple[int, int, int]) -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (4, 3), color).save(made, "PNG")
    return made.getvalue()


def test_image(host: Start, tmp_path: Path) -> None:
    process = _host(host, "Image.Image", "[x.mode, x.size, x.getpixel((0, 0))]", PILLOW)
    (tmp_path / "a.png").write_bytes(_png((9, 8, 7)))
    wanted = ["RGB", [4, 3], [9, 8, 7]]
    assert process.value(_file(tmp_path / "a.png")) == wanted
    assert process.value({"$bytes": base64.b64encode(_png((9, 8, 7))).decode()}) == wanted
    pixels = base64.b64encode(bytes([9, 8, 7] * 12)).decode()
    array = {"$array": {"dtype": "uint8", "shape": [3, 4, 3], "data": pixels}}
    assert process.value(array) == wanted


def test_what_is_no_image(host: Start, tmp_path: Path) -> None:
    process = _host(host, "Image.Image", "x.size", PILLOW)
    (tmp_path / "cut.png").write_bytes(_png((1, 2, 3))[:40])
    assert "not an image" in process.error(_file(tmp_path / "cut.png"))["message"]
    assert "is not there" in process.error(_file(tmp_path / "gone.png"))["message"]
    assert "expected an image" in process.error("a.png")["message"]
    floats = {"$array": {"dtype": "complex64", "shape": [1], "data": "AAAAAAAAAAA="}}
    assert process.error(floats)["kind"] == "invalid"


NUMPY = "import numpy\nfrom numpy.typing import NDArray"


def test_array(host: Start, tmp_path: Path) -> None:
    shown = "[str(x.dtype), x.shape, x.tolist(), x.flags.writeable]"
    process = _host(host, "numpy.ndarray", shown, NUMPY)
    data = base64.b64encode(numpy.array([1, 2, 3, 4], "<f4").tobytes()).decode()
    array = {"$array": {"dtype": "float32", "shape": [2, 2], "data": data}}
    wanted = ["float32", [2, 2], [[1, 2], [3, 4]], True]
    assert process.value(array) == wanted
    numpy.save(tmp_path / "a.npy", numpy.array([[1, 2], [3, 4]], "f4"))
    assert process.value(_file(tmp_path / "a.npy")) == wanted
    (tmp_path / "a.png").write_bytes(_png((9, 8, 7)))
    assert process.value(_file(tmp_path / "a.png"))[:2] == ["uint8", [3, 4, 3]]
    assert process.value({"x": [[1.5, 2]]})[:3] == ["float64", [1, 2], [[1.5, 2]]]


def test_what_is_no_array(host: Start, tmp_path: Path) -> None:
    process = _host(host, "NDArray[numpy.float32]", "x.shape", NUMPY)

    def refused(dtype: Any, shape: Any, data: Any) -> str:
        array = {"$array": {"dtype": dtype, "shape": shape, "data": data}}
        message: str = process.error(array)["message"]
        return message

    assert "`$array` has the dtype 'object'" in refused("object", [1], "AAAA")
    assert "has 3 bytes, but float32 [1] takes 4" in refused("float32", [1], "AAAA")
    assert "has the shape [-1]" in refused("float32", [-1], "AAAA")
    assert "has the shape 'x'" in refused("float32", "x", "AAAA")
    assert "must be a text in base64" in refused("uint8", [3], 7)
    assert "expected numbers" in process.error({"x": ["a"]})["message"]
    assert "make no array" in process.error({"x": [[1], [2, 3]]})["message"]
    assert "expected an array" in process.error("a")["message"]
    # An array of objects is a pickle inside, which must never be opened.
    objects: Any = numpy.empty(1, object)
    objects[0] = {"any": "thing"}
    numpy.save(tmp_path / "objects.npy", objects, allow_pickle=True)
    assert "no array that can be read" in process.error(_file(tmp_path / "objects.npy"))["message"]


def test_tensor(host: Start) -> None:
    pytest.importorskip("torch", reason="torch is not installed; tensors are then not tested")
    process = _host(host, "torch.Tensor", "[str(x.dtype), x.tolist()]", "import torch")
    array = {"$array": {"dtype": "int32", "shape": [1], "data": "AQAAAA=="}}
    assert process.value(array) == ["torch.int32", [1]]
