"""From an exception to the error that a worker is told: its class, its code, and whether the
process can go on.

Frameworks are known by the words of their errors and by their classes' names, so that none is
imported.
"""

from __future__ import annotations

import gc
import re
import sys
from typing import Any

from gristmill.errors import BadHandler, BadOutput, InvalidInput, OutOfMemory
from gristmill.host.traces import users_frames

Failure = dict[str, Any]

_MESSAGE_CHARACTERS = 2_000
_WORDS_JUDGED = 8_000

_OUT_OF_MEMORY = re.compile(
    r"CUDA out of memory|CUDA error: out of memory|cudaErrorMemoryAllocation"
    r"|CUDA_ERROR_OUT_OF_MEMORY|CUBLAS_STATUS_ALLOC_FAILED|CUDNN_STATUS_ALLOC_FAILED"
    r"|HIP out of memory|RESOURCE_EXHAUSTED: Out of memory",
    re.IGNORECASE,
)
# After these a CUDA context answers every further call with the same error. The numbers are those
# of cudaError_t: 214 uncorrectable ECC, 700 illegal address, 710 assert, 719 launch failure, 999
# unknown.
_DEVICE = re.compile(
    r"device-side assert|illegal memory access|unspecified launch failure|uncorrectable ECC"
    r"|cudaErrorIllegalAddress|cudaErrorAssert|cudaErrorLaunchFailure|cudaErrorECCUncorrectable"
    r"|CUDA_ERROR_ILLEGAL_ADDRESS|CUDA_ERROR_ASSERT|CUDA_ERROR_LAUNCH_FAILED"
    r"|CUDA_ERROR_ECC_UNCORRECTABLE|CUDA error:? \(?(?:code )?(?:214|700|710|719|999)\b"
    r"|cudaError(?:_t)?[ (:=]+(?:214|700|710|719|999)\b",
    re.IGNORECASE,
)


def failure(error: BaseException) -> Failure:
    """What a worker is told of an exception in a handler."""
    if isinstance(error, InvalidInput):
        return told("invalid", "bad_input", str(error))
    if isinstance(error, BadOutput):
        return told("failed", error.code, str(error))
    if isinstance(error, BadHandler):
        return told("failed", error.code, str(error), error.traceback)
    # By its name, for asyncio takes long to import and most applications need none of it.
    if type(error).__name__ == "CancelledError":
        return cancelled()
    name, words = type(error).__name__, str(error)
    kind = _kind(error, words[:_WORDS_JUDGED])
    if kind == "out_of_memory":
        return told(kind, "OutOfMemory", words or name, users_frames(error))
    return told(kind, name, words or name, users_frames(error), fatal=kind == "device")


def told(
    kind: str, code: str, message: str, traceback: str = "", *, fatal: bool = False
) -> Failure:
    """An error as the contract has it."""
    return {
        "kind": kind,
        "code": code,
        "message": plain(message[:_MESSAGE_CHARACTERS]),
        "traceback": plain(traceback),
        "fatal": fatal,
    }


def plain(text: str) -> str:
    """The text without what UTF-8 cannot say, as names of files may contain it."""
    return text.encode("utf-8", "replace").decode("utf-8")


def cancelled() -> Failure:
    """Of an item that ended because it was cancelled."""
    return told("cancelled", "cancelled", "it was cancelled")


def free_device_memory() -> None:
    """After an out-of-memory error: gives back what only the failed call still held."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


def _kind(error: BaseException, words: str) -> str:
    # A device's failure first: in its wake allocations fail too.
    if _DEVICE.search(words):
        return "device"
    if isinstance(error, OutOfMemory) or _OUT_OF_MEMORY.search(words):
        return "out_of_memory"
    # torch.cuda.OutOfMemoryError, cupy.cuda.memory.OutOfMemoryError
    if any(each.__name__ == "OutOfMemoryError" for each in type(error).__mro__):
        return "out_of_memory"
    return "failed"
