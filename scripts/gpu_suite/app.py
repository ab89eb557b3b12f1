"""The handlers that the checks call. Each opens the GPU as a user's program would, by itself."""

import ctypes
import os
import time

import gristmill as gm
from cuda_driver import OUT_OF_MEMORY, Cuda, CudaError, NoCuda

GIB = 1 << 30


def told(cuda):
    """What a session has, in its own view."""
    names = ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "GRISTMILL_DEVICES")
    said = {name: os.environ.get(name) for name in names}
    return {**said, "pid": os.getpid(), "uuids": cuda.uuids()}


@gm.handler(gpus=1)
def where() -> dict[str, object]:
    """Which GPU this session got; it takes no memory."""
    return told(Cuda())


@gm.handler()
def outside() -> str:
    """A session that asked for no GPU: what CUDA says to it."""
    try:
        return f"it sees {Cuda().uuids()}"
    except NoCuda as error:
        return str(error)


class Holder:
    """Takes memory when it loads, and keeps it."""

    size = GIB

    def setup(self) -> None:
        self.cuda = Cuda().open()
        self.place = self.cuda.take(self.size)

    def __call__(self, seconds: float = 0.0) -> dict[str, object]:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.cuda.fill(self.place, self.size)
        return told(self.cuda)


@gm.handler(gpus=1)
class Whole(Holder):
    """Has a GPU for itself."""


@gm.handler(gpus=1)
class Other(Holder):
    """Wants the same GPU for itself."""


@gm.handler(vram="2GiB")
class Left(Holder):
    """Shares a GPU."""


@gm.handler(vram="2GiB")
class Right(Holder):
    """Shares it with `Left`."""


@gm.handler(vram="1GiB")
class Modest(Holder):
    """Says one gibibyte and takes three."""

    size = 3 * GIB


@gm.handler(vram="100TiB")
def vast() -> None:
    """Asks for more than any GPU has."""


@gm.handler(gpus=1)
def greedy() -> None:
    """Takes more than there is."""
    cuda = Cuda().open()
    free, total = cuda.memory()
    try:
        cuda.take(total + GIB)
    except CudaError as error:
        if error.code != OUT_OF_MEMORY:
            raise
        figures = f"wanted {(total + GIB) >> 20} MiB, {free >> 20} of {total >> 20} MiB were free"
        raise gm.OutOfMemory(figures) from None


@gm.handler(gpus=1, attempts=1)
def sticky(break_it: bool = False) -> dict[str, object]:
    """Breaks its CUDA context when asked to."""
    cuda = Cuda().open()
    if break_it:
        cuda.stray()
    return told(cuda)


@gm.handler(gpus=1, attempts=1)
def silent(hang: bool = False) -> dict[str, object]:
    """Hangs with Python's lock in hand, so that nothing in the process can speak."""
    cuda = Cuda().open()
    if hang:
        ctypes.PyDLL(None).sleep(60)
    return told(cuda)


@gm.handler(gpus=1)
def noisy() -> str:
    """Writes to standard output what must not get into the protocol."""
    os.write(1, b"\x00\xff{not a frame}\n")
    print("a line of the application's own")
    return "fine"


@gm.handler(gpus=1)
class Torch:
    """As the first checks, but as most users do it."""

    def setup(self) -> None:
        import torch

        self.torch = torch
        self.weights = torch.zeros(1 << 20, device="cuda")

    def __call__(self, greedy: bool = False) -> dict[str, object]:
        if greedy:
            _free, total = self.torch.cuda.mem_get_info()
            self.torch.empty(total + GIB, dtype=self.torch.uint8, device="cuda")
        properties = self.torch.cuda.get_device_properties(0)
        uuid = f"GPU-{properties.uuid}"
        return {"uuids": [uuid], "name": properties.name, "torch": self.torch.__version__}
