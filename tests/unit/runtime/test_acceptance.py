"""A connection counts when it is accepted, not when it is made."""

import asyncio
import socket
from pathlib import Path

from fairlead.runtime.acceptance import until_accepted


def test_it_waits_for_the_other_side(tmp_path: Path) -> None:
    async def story() -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
            listener.bind(str(tmp_path / "s"))
            listener.listen()
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
                client.connect(str(tmp_path / "s"))
                waiting = asyncio.create_task(until_accepted(client))
                await asyncio.sleep(0.05)
                assert not waiting.done()
                accepted, _ = listener.accept()
                async with asyncio.timeout(1):
                    await waiting
                accepted.close()

    asyncio.run(story())
