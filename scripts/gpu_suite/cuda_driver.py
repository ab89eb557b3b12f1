"""As much of CUDA's driver library as the checks need, by ctypes: no CUDA toolkit, no torch.

`cuda_driver.py hold BYTES` is a program of somebody else's: it takes so many bytes of the first
GPU's memory, says `ready`, and ends when its standard input does. `cuda_driver.py look` tells what
CUDA sees.
"""

import ctypes
import json
import sys

OUT_OF_MEMORY = 2
SYMBOLS = ("cuInit", "cuDeviceGetCount", "cuDeviceGet", "cuDeviceGetUuid", "cuCtxSynchronize",
           "cuDevicePrimaryCtxRetain", "cuCtxSetCurrent", "cuMemAlloc_v2", "cuMemFree_v2",
           "cuMemGetInfo_v2", "cuMemsetD32_v2", "cuModuleLoadData", "cuModuleGetFunction",
           "cuLaunchKernel", "cuGetErrorName")
# Writes to an address that nobody has.
STRAY = b"""
.version 6.3
.target sm_75
.address_size 64
.visible .entry stray()
{
    .reg .u64 %address;
    .reg .u32 %value;
    mov.u64 %address, 16;
    mov.u32 %value, 1;
    st.global.u32 [%address], %value;
    ret;
}
\0"""


class NoCuda(Exception):
    """There is no GPU that CUDA could use here; the text says why."""


class CudaError(Exception):
    """A call failed. The words are those of the driver, as frameworks pass them on."""

    def __init__(self, code, name, what):
        super().__init__(f"CUDA error {code} ({name}) in {what}")
        self.code = code


class Cuda:
    """The driver, and the first GPU that it shows."""

    def __init__(self):
        try:
            self.library = ctypes.CDLL("libcuda.so.1")
        except OSError as error:
            raise NoCuda(f"no driver library: {error}") from None
        missing = [name for name in SYMBOLS if not hasattr(self.library, name)]
        if missing:
            raise NoCuda(f"the driver library lacks {missing[0]}")
        code = self.library.cuInit(0)
        if code:
            raise NoCuda(f"cuInit answers {code} ({self.name_of(code)})")
        if not self.count():
            raise NoCuda("the driver shows no GPU")
        self.context = None

    def call(self, name, *arguments):
        code = getattr(self.library, name)(*arguments)
        if code:
            raise CudaError(code, self.name_of(code), name)

    def name_of(self, code):
        text = ctypes.c_char_p()
        self.library.cuGetErrorName(code, ctypes.byref(text))
        return (text.value or b"unknown").decode()

    def count(self):
        count = ctypes.c_int()
        self.call("cuDeviceGetCount", ctypes.byref(count))
        return count.value

    def uuids(self):
        """As nvidia-smi writes them."""
        return [self.uuid(place) for place in range(self.count())]

    def uuid(self, place):
        device, raw = ctypes.c_int(), (ctypes.c_ubyte * 16)()
        self.call("cuDeviceGet", ctypes.byref(device), place)
        self.call("cuDeviceGetUuid", raw, device)
        text = bytes(raw).hex()
        cuts = (0, 8, 12, 16, 20, 32)
        return "GPU-" + "-".join(text[a:b] for a, b in zip(cuts, cuts[1:]))

    def open(self):
        """Makes a context, which takes memory of its own."""
        if self.context is None:
            device, context = ctypes.c_int(), ctypes.c_void_p()
            self.call("cuDeviceGet", ctypes.byref(device), 0)
            self.call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
            self.call("cuCtxSetCurrent", context)
            self.context = context
        return self

    def memory(self):
        """Bytes that are free, and all."""
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        self.call("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
        return free.value, total.value

    def take(self, size):
        """Takes so many bytes; where they are."""
        place = ctypes.c_uint64()
        self.call("cuMemAlloc_v2", ctypes.byref(place), ctypes.c_size_t(size))
        return place

    def give_back(self, place):
        self.call("cuMemFree_v2", place)

    def fill(self, place, size):
        """Makes the GPU work a little."""
        self.call("cuMemsetD32_v2", place, 7, ctypes.c_size_t(size // 4))
        self.call("cuCtxSynchronize")

    def stray(self):
        """An illegal access: afterwards each call of this process fails with the same error."""
        module, function = ctypes.c_void_p(), ctypes.c_void_p()
        self.call("cuModuleLoadData", ctypes.byref(module), STRAY)
        self.call("cuModuleGetFunction", ctypes.byref(function), module, b"stray")
        self.call("cuLaunchKernel", function, 1, 1, 1, 1, 1, 1, 0, None, None, None)
        self.call("cuCtxSynchronize")


def main(words):
    try:
        cuda = Cuda()
        if words == ["look"]:
            print(json.dumps(cuda.uuids()))
            return 0
        if len(words) == 2 and words[0] == "hold":
            cuda.open().take(int(words[1]))
            print("ready", flush=True)
            sys.stdin.read()
            return 0
    except (NoCuda, CudaError) as error:
        print(error, file=sys.stderr)
        return 1
    print("usage: cuda_driver.py look | hold BYTES", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
