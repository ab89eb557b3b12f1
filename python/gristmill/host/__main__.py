"""The host's command line: `run`, for workers, and `describe ENTRY`, for anybody."""

from __future__ import annotations

import sys

_USAGE = """usage: python -m gristmill.host describe app.py:function
       python -m gristmill.host run      (started by a worker)
"""


def main(words: list[str]) -> int:
    """Does what the words ask; gives the exit status."""
    if words == ["run"]:
        from gristmill.host import loop

        return loop.main()
    if len(words) == 2 and words[0] == "describe":
        from gristmill.host import describe

        return describe.main(words[1])
    sys.stderr.write(_USAGE)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
