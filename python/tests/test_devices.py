"""What a session tells of devices, with a stand-in for torch: the tests need no GPU."""

from __future__ import annotations

from typing import Any

from conftest import Start

TORCH = """
import sys, types
torch = types.ModuleType('torch')
torch.bfloat16 = object()
class Tensor: pass
torch.Tensor = Tensor
class Properties:
    name, total_memory, uuid = 'Stand-in', 80 * 2**30, 'aaaa-bbbb'
class cuda:
    ready = True
    allocated = 0
    peak = 0
    emptied = 0
    is_available = staticmethod(lambda: AVAILABLE)
    is_initialized = staticmethod(lambda: cuda.ready and AVAILABLE)
    device_count = staticmethod(lambda: 2)
    get_device_properties = staticmethod(lambda place: Properties)
    memory_allocated = staticmethod(lambda place: cuda.allocated)
    memory_reserved = staticmethod(lambda place: cuda.allocated + 1)
    max_memory_allocated = staticmethod(lambda place: cuda.peak)
    @staticmethod
    def reset_peak_memory_stats(place): cuda.peak = cuda.allocated
    @staticmethod
    def empty_cache(): cuda.emptied += 1
torch.cuda = cuda
sys.modules['torch'] = torch

class Work:
    def setup(self): cuda.allocated = LOADED
    def __call__(self, n: int) -> int:
        if n < 0: raise gm.OutOfMemory('short')
        cuda.peak = max(cuda.peak, cuda.allocated + n)
        return cuda.emptied
"""

DEVICES = [{"id": "GPU-aaaa-bbbb", "kind": "gpu", "vram": 2**30}]


def _source(*, available: bool, loaded: int) -> str:
    return TORCH.replace("AVAILABLE", str(available)).replace("LOADED", str(loaded))


def test_devices_that_torch_sees(host: Start) -> None:
    process = host(_source(available=True, loaded=10), "Work", devices=DEVICES)
    ready = process.read("ready")
    device: dict[str, Any] = {"id": "GPU-aaaa-bbbb", "name": "Stand-in", "vram": 80 * 2**30}
    assert ready["devices"] == [device, device]
    assert ready["on_device"] is True


def test_names_by_which_the_worker_gave_them(host: Start, monkeypatch: Any) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-cccc, GPU-dddd")
    process = host(_source(available=True, loaded=0), "Work", devices=DEVICES)
    ready = process.read("ready")
    assert [device["id"] for device in ready["devices"]] == ["MIG-cccc", "GPU-dddd"]
    assert ready["on_device"] is None, "a model that is loaded later cannot be told of"


def test_work_on_the_cpus_despite_a_device(host: Start) -> None:
    ready = host(_source(available=False, loaded=0), "Work", devices=DEVICES).read("ready")
    assert (ready["devices"], ready["on_device"]) == ([], False)


def test_a_session_without_devices_looks_for_none(host: Start) -> None:
    ready = host(_source(available=True, loaded=10), "Work").read("ready")
    assert (ready["devices"], ready["on_device"]) == ([], None)


def test_memory_of_each_call(host: Start) -> None:
    process = host(_source(available=True, loaded=10), "Work", devices=DEVICES).ready()
    assert process.call(5).done["memory"] == {"now": 22, "peak": 30}
    assert process.call(1).done["memory"] == {"now": 22, "peak": 22}, "the peak is that of a call"


def test_memory_is_given_back_after_it_was_short(host: Start) -> None:
    process = host(_source(available=True, loaded=10), "Work", devices=DEVICES).ready()
    assert process.error(-1)["kind"] == "out_of_memory"
    assert process.value(1) == 1


def test_without_a_framework_nothing_is_told_of_memory(host: Start) -> None:
    process = host("def work(n: int) -> int: return n", devices=DEVICES)
    assert process.read("ready")["on_device"] is None
    assert "memory" not in process.call(1).done
