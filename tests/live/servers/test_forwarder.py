"""
Tests of C{twistd txdns} as a forwarder whose upstreams misbehave.
"""

from __future__ import annotations

import socket
import threading
import time
from contextlib import ExitStack
from pathlib import Path

from tests.live.twistds import Twistd
from tests.live.upstreams import Upstream
from tests.queries import queryOf

__all__: list[str] = []


def test_neighbors(tmp_path: Path) -> None:
    """
    Random names below a silent zone, 500 a second, cost a domain below the same public suffix none of its answers.
    """
    with Upstream(otherwise="192.0.2.80") as upstream, Twistd(tmp_path, "--upstream", upstream.label) as server:
        upstream.silence("evil.co.uk")
        ended = threading.Event()

        def flood() -> None:
            with ExitStack() as stack:
                clients = [stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(10)]
                for number, client in enumerate(clients):
                    client.bind((f"127.0.1.{number + 1}", 0))
                began = time.monotonic()
                number = 0
                while not ended.is_set():
                    while number < (time.monotonic() - began) * 500:
                        query = queryOf(f"x{number}.evil.co.uk", id=number & 0xFFFF)
                        clients[number % 10].sendto(query, ("127.0.0.1", server.port))
                        number += 1
                    time.sleep(0.01)

        thread = threading.Thread(target=flood)
        thread.start()
        try:
            lost = 0
            for number in range(150):
                lost += server.ask(f"www{number}.a.co.uk") != ["192.0.2.80"]
                time.sleep(0.05)
        finally:
            ended.set()
            thread.join()
        assert lost == 0
        asked = [name for _, name, _ in upstream.asked if name.endswith(".evil.co.uk.")]
        # The zone's ration was used up by then, so that without it the others would have suffered.
        assert len(asked) > 1500, len(asked)
