"""Hand-overs that are on their way in this process: a page of the chart waits for them before it is decided whether it may be shown."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress

LONGEST = 15.0  # seconds that a page waits: an EHR that is slower than this has made the hand-over fail, too


class HandOvers:
    """By browser session: the hand-overs that are being saved."""

    def __init__(self) -> None:
        self._under_way: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    @contextmanager
    def saving(self, session: str) -> Iterator[None]:
        """Say that a hand-over of this session is being saved until the block ends, well or not."""
        done = asyncio.Event()
        self._under_way[session].add(done)
        try:
            yield
        finally:
            done.set()
            self._under_way[session].discard(done)
            if not self._under_way[session]:
                del self._under_way[session]

    async def settle(self, session: str) -> bool:
        """Wait until nothing is being saved any more, for a while at most; tells whether there was anything to wait for."""
        under_way = tuple(self._under_way.get(session, ()))
        with suppress(TimeoutError):
            async with asyncio.timeout(LONGEST):
                for each in under_way:
                    await each.wait()
        return bool(under_way)
