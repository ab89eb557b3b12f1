"""An ONNX graph of one node, y = x + x, written by hand: the onnx package need not be there."""

FLOAT = 1


def double():
    """The bytes of the model; the first dimension is free."""
    node = text(1, "x") + text(1, "x") + text(2, "y") + text(4, "Add")
    whole = part(1, node) + text(2, "double") + part(11, port("x")) + part(12, port("y"))
    return number(1, 8) + part(7, whole) + part(8, number(2, 13))


def port(name):
    """A matrix of floats: any number of rows, two columns."""
    shape = part(1, text(2, "N")) + part(1, number(1, 2))
    return text(1, name) + part(2, part(1, number(1, FLOAT) + part(2, shape)))


def varint(value):
    piece = b""
    while value > 127:
        piece += bytes([value & 127 | 128])
        value >>= 7
    return piece + bytes([value])


def number(field, value):
    return varint(field << 3) + varint(value)


def part(field, content):
    return varint(field << 3 | 2) + varint(len(content)) + content


def text(field, value):
    return part(field, value.encode())
