"""What the session really got: devices, versions, memory, as far as a framework can tell that the
application itself has imported. Imports none on its own."""

from __future__ import annotations

import os
import sys
from typing import Any, Optional

_FRAMEWORKS = ("gristmill", "torch", "numpy")


def versions() -> dict[str, str]:
    """Versions of Python, of this package and of frameworks that are installed."""
    found = {"python": ".".join(map(str, sys.version_info[:3]))}
    # The names of folders tell; importlib.metadata would take longer to import than all the rest.
    for folder in sys.path:
        try:
            entries = os.listdir(folder or ".")
        except OSError:
            continue
        for entry in entries:
            if entry.endswith(".dist-info"):
                name, _, version = entry[: -len(".dist-info")].partition("-")
                if name.lower() in _FRAMEWORKS:
                    found.setdefault(name.lower(), version)
    found.setdefault("gristmill", "from source")
    return found


def seen() -> list[dict[str, Any]]:
    """The GPUs that torch sees; empty where it cannot tell."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return []
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    return [
        _device(torch.cuda.get_device_properties(place), place, visible)
        for place in range(torch.cuda.device_count())
    ]


def _device(properties: Any, place: int, visible: list[str]) -> dict[str, Any]:
    # What the process was given by its UUID it knows; a MIG slice has no other name.
    named = visible[place].strip() if place < len(visible) else ""
    uuid = str(getattr(properties, "uuid", ""))
    if not named.startswith(("GPU-", "MIG-")):
        named = uuid if uuid.startswith(("GPU-", "MIG-")) else f"GPU-{uuid}"
    return {"id": named, "name": str(properties.name), "vram": int(properties.total_memory)}


def is_on_device() -> Optional[bool]:
    """Whether the application's weights lie on a GPU; None where that cannot be told."""
    torch = sys.modules.get("torch")
    if torch is None:
        return None
    if not torch.cuda.is_available():
        return False
    return True if _sum(torch, "memory_allocated") > 0 else None


def begin_peak() -> None:
    """From now on a new peak of memory is measured."""
    torch = _torch_in_use()
    if torch is not None:
        for place in range(torch.cuda.device_count()):
            torch.cuda.reset_peak_memory_stats(place)


def memory() -> Optional[dict[str, int]]:
    """Bytes of device memory held now and used at most since `begin_peak`, over all devices."""
    torch = _torch_in_use()
    if torch is None:
        return None
    return {"now": _sum(torch, "memory_reserved"), "peak": _sum(torch, "max_memory_allocated")}


def _torch_in_use() -> Any:
    """torch, where it has made a context already; asking must not make one."""
    torch = sys.modules.get("torch")
    return torch if torch is not None and torch.cuda.is_initialized() else None


def _sum(torch: Any, what: str) -> int:
    measure = getattr(torch.cuda, what)
    return sum(int(measure(place)) for place in range(torch.cuda.device_count()))
