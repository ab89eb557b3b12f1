"""All that a client does, once for both clients.

The functions here are coroutines, but they know nothing of asyncio: they await only one another and
the methods of a `Transport`. The transport of `client.asynchronous` suspends them. The one of
`client.blocking` blocks instead: a coroutine then ends at its first step, and no event loop is
needed (`client.blocking.driver`).

Do not await anything else in here: the blocking client would raise RuntimeError.
"""
