"""The session host: the process in which a worker keeps an application's functions hot.

`python -m gristmill.host run` is started by a worker, `python -m gristmill.host describe ENTRY` by
whoever wants to know what a handler takes. The contract is docs/reference/session-protocol.md.
"""
