"""How often the disk syncs just now: a page written and fdatasync, one after the other.

A shared disk's mood swings within minutes, and figures with fsync swing with it. So each system's
own rate is taken just before and after it is measured and stands in its row.
"""

import os
import time

FOR_S = 0.3
PAGES = 256
PAGE = bytes(4096)


def syncs(folder):
    """Syncs a second, into space that was written before, as logs do."""
    path = os.path.join(folder, "syncs")
    with open(path, "wb", buffering=0) as file:
        file.write(PAGE * PAGES)
        os.fsync(file.fileno())
        started, done = time.perf_counter(), 0
        while time.perf_counter() - started < FOR_S:
            os.pwrite(file.fileno(), PAGE, done % PAGES * len(PAGE))
            os.fdatasync(file.fileno())
            done += 1
        rate = done / (time.perf_counter() - started)
    os.unlink(path)
    return rate
