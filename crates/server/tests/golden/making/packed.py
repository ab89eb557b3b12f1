"""MessagePack, as much of it as worker link and session protocol speak. No package is needed."""

import struct


def pack(value):
    """A value as bytes."""
    out = bytearray()
    _put(out, value)
    return bytes(out)


def _put(out, value):
    if value is None:
        out.append(0xC0)
    elif value is True:
        out.append(0xC3)
    elif value is False:
        out.append(0xC2)
    elif isinstance(value, int):
        _put_int(out, value)
    elif isinstance(value, float):
        out += b"\xcb" + struct.pack(">d", value)
    elif isinstance(value, str):
        text = value.encode()
        _put_head(out, len(text), (0xA0, 31), 0xD9, 0xDA, 0xDB)
        out += text
    elif isinstance(value, (bytes, bytearray)):
        _put_head(out, len(value), None, 0xC4, 0xC5, 0xC6)
        out += value
    elif isinstance(value, (list, tuple)):
        _put_head(out, len(value), (0x90, 15), None, 0xDC, 0xDD)
        for item in value:
            _put(out, item)
    elif isinstance(value, dict):
        _put_head(out, len(value), (0x80, 15), None, 0xDE, 0xDF)
        for key, item in value.items():
            _put(out, key)
            _put(out, item)
    else:
        raise TypeError(f"{value!r} has no form in MessagePack")


def _put_int(out, value):
    if 0 <= value < 128:
        out.append(value)
    elif value >= 0:
        out += b"\xcf" + struct.pack(">Q", value)
    else:
        out += b"\xd3" + struct.pack(">q", value)


def _put_head(out, length, small, one, two, four):
    if small and length <= small[1]:
        out.append(small[0] | length)
    elif one and length < 1 << 8:
        out += struct.pack(">BB", one, length)
    elif length < 1 << 16:
        out += struct.pack(">BH", two, length)
    else:
        out += struct.pack(">BI", four, length)


def unpack(data):
    """The value that bytes stand for."""
    value, end = _take(data, 0)
    if end != len(data):
        raise ValueError("bytes are left over")
    return value


# Tag: format of the number behind it, and what it is the length of, if of anything.
_NUMBERS = {
    0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q",
    0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q",
    0xCA: ">f", 0xCB: ">d",
}  # fmt: skip
_SIZED = {
    0xC4: (">B", "bytes"), 0xC5: (">H", "bytes"), 0xC6: (">I", "bytes"),
    0xD9: (">B", "text"), 0xDA: (">H", "text"), 0xDB: (">I", "text"),
    0xDC: (">H", "list"), 0xDD: (">I", "list"),
    0xDE: (">H", "map"), 0xDF: (">I", "map"),
}  # fmt: skip


def _take(data, at):
    tag = data[at]
    at += 1
    if tag < 0x80:
        return tag, at
    if tag >= 0xE0:
        return tag - 256, at
    if tag < 0x90:
        return _take_body(data, at, "map", tag & 15)
    if tag < 0xA0:
        return _take_body(data, at, "list", tag & 15)
    if tag < 0xC0:
        return _take_body(data, at, "text", tag & 31)
    if tag in (0xC0, 0xC2, 0xC3):
        return {0xC0: None, 0xC2: False, 0xC3: True}[tag], at
    if tag in _NUMBERS:
        form = _NUMBERS[tag]
        return struct.unpack_from(form, data, at)[0], at + struct.calcsize(form)
    form, kind = _SIZED[tag]
    (length,) = struct.unpack_from(form, data, at)
    return _take_body(data, at + struct.calcsize(form), kind, length)


def _take_body(data, at, kind, length):
    if kind in ("bytes", "text"):
        raw = bytes(data[at : at + length])
        return (raw.decode() if kind == "text" else raw), at + length
    if kind == "list":
        items = []
        for _ in range(length):
            item, at = _take(data, at)
            items.append(item)
        return items, at
    pairs = {}
    for _ in range(length):
        key, at = _take(data, at)
        key = tuple(key) if isinstance(key, list) else key
        pairs[key], at = _take(data, at)
    return pairs, at
