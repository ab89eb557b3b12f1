"""Makes the graphs that the tests of this crate run, and what ONNX Runtime's own Python API says of
them. Called by scripts/onnx-test-set-up.sh with the folder to write to and the real model's file."""

import base64
import json
import pathlib
import sys

import numpy
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

folder = pathlib.Path(sys.argv[1])
real_model = pathlib.Path(sys.argv[2])
expected = {}

FLOAT, INT64, STRING = TensorProto.FLOAT, TensorProto.INT64, TensorProto.STRING


def port(name, kind, shape):
    return helper.make_tensor_value_info(name, kind, shape)


def graph(name, nodes, inputs, outputs, constants=(), doc=""):
    body = helper.make_graph(
        nodes, name, inputs, outputs, [numpy_helper.from_array(v, k) for k, v in constants]
    )
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    model.doc_string = doc
    onnx.checker.check_model(model)
    onnx.save(model, folder / f"{name}.onnx")


def as_value(array):
    if array.dtype.kind in "OUS":
        return array.tolist()
    data = base64.b64encode(numpy.ascontiguousarray(array).tobytes()).decode()
    return {"$array": {"dtype": array.dtype.name, "shape": list(array.shape), "data": data}}


def expect(name, /, **inputs):
    session = onnxruntime.InferenceSession(folder / f"{name}.onnx", providers=["CPUExecutionProvider"])
    outputs = session.run(None, inputs)
    names = [output.name for output in session.get_outputs()]
    expected.setdefault(name, []).append(
        {
            "inputs": {key: as_value(value) for key, value in inputs.items()},
            "outputs": {key: as_value(value) for key, value in zip(names, outputs)},
        }
    )


dice = numpy.random.default_rng(17)


def floats(*shape):
    return dice.standard_normal(shape, dtype=numpy.float32)


graph(
    "add",
    [helper.make_node("Add", ["a", "b"], ["sum"])],
    [port("a", FLOAT, ["batch", 3]), port("b", FLOAT, ["batch", 3])],
    [port("sum", FLOAT, ["batch", 3])],
    doc="Adds two rows of three.",
)
expect("add", a=floats(1, 3), b=floats(1, 3))

graph(
    "layer",
    [
        helper.make_node("MatMul", ["x", "w"], ["product"]),
        helper.make_node("Add", ["product", "bias"], ["shifted"]),
        helper.make_node("Relu", ["shifted"], ["y"]),
    ],
    [port("x", FLOAT, [None, 8])],
    [port("y", FLOAT, [None, 4])],
    [("w", floats(8, 4)), ("bias", floats(4))],
)
for _ in range(70):
    expect("layer", x=floats(1, 8))

graph(
    "fixed",
    [helper.make_node("Neg", ["x"], ["y"])],
    [port("x", FLOAT, [1, 3])],
    [port("y", FLOAT, [1, 3])],
)
expect("fixed", x=floats(1, 3))

graph(
    "identity",
    [helper.make_node("Identity", ["x"], ["y"])],
    [port("x", FLOAT, ["batch", "width"])],
    [port("y", FLOAT, ["batch", "width"])],
)

# Each row of the output is the number of rows that were run together.
graph(
    "company",
    [
        helper.make_node("Shape", ["x"], ["rows"], start=0, end=1),
        helper.make_node("Cast", ["rows"], ["number"], to=FLOAT),
        helper.make_node("Mul", ["x", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "number"], ["y"]),
    ],
    [port("x", FLOAT, ["batch", 1])],
    [port("y", FLOAT, ["batch", 1])],
    [("zero", numpy.zeros(1, dtype=numpy.float32))],
)

# Rows of a sequence depend on each other: it must not be stacked, whatever its shape allows.
graph(
    "sequence",
    [helper.make_node("CumSum", ["x", "axis"], ["y"])],
    [port("x", FLOAT, ["sequence_length", 2])],
    [port("y", FLOAT, ["sequence_length", 2])],
    [("axis", numpy.array(0, dtype=numpy.int64))],
)
expect("sequence", x=floats(3, 2))

graph(
    "scale",
    [helper.make_node("Mul", ["x", "factor"], ["y"])],
    [port("x", FLOAT, ["batch", 2]), port("factor", FLOAT, [])],
    [port("y", FLOAT, ["batch", 2])],
)
expect("scale", x=floats(3, 2), factor=numpy.array(2.5, dtype=numpy.float32))

graph(
    "greet",
    [helper.make_node("StringConcat", ["greeting", "name"], ["line"])],
    [port("greeting", STRING, ["batch"]), port("name", STRING, ["batch"])],
    [port("line", STRING, ["batch"])],
)
expect("greet", greeting=numpy.array(["hello "], dtype=object), name=numpy.array(["mill"], dtype=object))

# An index beyond the table fails while it runs, and with it the whole run.
graph(
    "gather",
    [helper.make_node("Gather", ["table", "index"], ["row"])],
    [port("index", INT64, ["batch"])],
    [port("row", FLOAT, ["batch", 2])],
    [("table", floats(5, 2))],
)
expect("gather", index=numpy.array([4], dtype=numpy.int64))

# One item of six numbers does not divide by four and fails; two of them stacked are three rows.
graph(
    "fold",
    [helper.make_node("Reshape", ["x", "shape"], ["y"])],
    [port("x", FLOAT, ["batch", 6])],
    [port("y", FLOAT, ["batch", 4])],
    [("shape", numpy.array([-1, 4], dtype=numpy.int64))],
)

# As much memory as it is told.
graph(
    "hoard",
    [
        helper.make_node(
            "ConstantOfShape", ["shape"], ["ones"], value=numpy_helper.from_array(numpy.ones(1, dtype=numpy.float32))
        ),
        helper.make_node("ReduceSum", ["ones"], ["sum"], keepdims=0),
    ],
    [port("shape", INT64, [1])],
    [port("sum", FLOAT, [])],
)

# As many products as it is told: a run that lasts as long as a test wants.
body = helper.make_graph(
    [
        helper.make_node("Identity", ["go"], ["go_on"]),
        helper.make_node("MatMul", ["state", "turn"], ["next"]),
    ],
    "body",
    [port("i", INT64, []), port("go", TensorProto.BOOL, []), port("state", FLOAT, [64, 64])],
    [port("go_on", TensorProto.BOOL, []), port("next", FLOAT, [64, 64])],
)
graph(
    "long",
    [helper.make_node("Loop", ["count", "", "start"], ["end"], body=body)],
    [port("count", INT64, [])],
    [port("end", FLOAT, [64, 64])],
    [("start", numpy.eye(64, dtype=numpy.float32)), ("turn", numpy.eye(64, dtype=numpy.float32))],
)

# Every type of element that a job can give.
kinds = ["float16", "bfloat16", "float32", "float64", "int8", "int16", "int32", "int64"]
kinds += ["uint8", "uint16", "uint32", "uint64", "bool", "string"]
onnx_kinds = {"float32": FLOAT, "float64": TensorProto.DOUBLE}
onnx_kind = {kind: onnx_kinds.get(kind) or getattr(TensorProto, kind.upper()) for kind in kinds}
graph(
    "kinds",
    [helper.make_node("Identity", [kind], [f"{kind}_out"]) for kind in kinds],
    [port(kind, onnx_kind[kind], ["batch", 2]) for kind in kinds],
    [port(f"{kind}_out", onnx_kind[kind], ["batch", 2]) for kind in kinds],
)

# A result that is no array.
graph(
    "list",
    [helper.make_node("SequenceConstruct", ["x"], ["xs"])],
    [port("x", FLOAT, [2])],
    [helper.make_tensor_sequence_value_info("xs", FLOAT, [2])],
)

# A file of numpy's own hand, and one of each kind that is refused.
numpy.save(folder / "rows.npy", numpy.arange(6, dtype=numpy.float32).reshape(2, 3))
numpy.save(folder / "fortran.npy", numpy.asfortranarray(numpy.ones((2, 3), dtype=numpy.float32)))
numpy.save(folder / "big_endian.npy", numpy.ones((2, 3), dtype=">f4"))
numpy.save(folder / "objects.npy", numpy.array([{"a": 1}], dtype=object), allow_pickle=True)

# The real model tells what kind of file the first and last kilobyte of it come from.
real = folder / "filetype.onnx"
real.write_bytes(real_model.read_bytes())
for text in (b"fn main() {\n    println!(\"hello\");\n}\n" * 40, b"import sys\nprint(sys.argv)\n" * 60):
    numbers = numpy.full((1, 2048), 256, dtype=numpy.int32)
    begin, end = text.strip()[:1024], text.strip()[-1024:]
    numbers[0, : len(begin)] = list(begin)
    numbers[0, 2048 - len(end) :] = list(end)
    expect("filetype", bytes=numbers)

(folder / "expected.json").write_text(json.dumps(expected))
