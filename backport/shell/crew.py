"""Threads that work side by side, without making an error or an interrupt wait for them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager


@contextmanager
def crew(count: int) -> Iterator[ThreadPoolExecutor]:
    """A pool that is waited for when all went well, and left to itself when the block fails.

    What its threads were doing is lost then, as if we had been killed, and that loses nothing
    finished: a wrong base is told at once, not after the download that ran beside it.
    """
    pool = ThreadPoolExecutor(max_workers=count)
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()
