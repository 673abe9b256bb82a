"""
Tests of C{twistd txdns} as a forwarder whose upstreams misbehave.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import threading
import time
from contextlib import ExitStack
from pathlib import Path

from tests.live.twistds import Twistd, twistd, wait
from tests.live.upstreams import Upstream
from tests.patience import PATIENCE
from tests.peers import freePort, peer
from tests.queries import queryOf

__all__: list[str] = []


def test_floodBelowSilentZoneSparesOthers(tmp_path: Path) -> None:
    """
    A flood of 500 random names per second below a silent zone costs a domain below the same public suffix no answer.
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
        # The limit of the zone was used up by then. Without it the other names would have suffered.
        assert len(asked) > 1500, len(asked)


def test_outageIsLoggedOnceAsJSON(tmp_path: Path) -> None:
    """
    Two workers log the loss and the return of their upstream once each, as JSON. Queries are logged with their results.
    """
    words = ["--workers", "2", "--query-log", "--log-format", "json", "--stale", "0"]
    with Upstream(otherwise="192.0.2.80") as upstream, Twistd(tmp_path, "--upstream", upstream.label, *words) as server:

        def events(kind: str) -> list[dict[str, object]]:
            found = [json.loads(line) for line in server.text().splitlines()]
            return [event for event in found if event["event"] == kind]

        def asking(number: int) -> bool:
            # Each from its own port, so that both workers get queries.
            for each in range(4):
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                    client.sendto(queryOf(f"n{number}x{each}.example.org"), ("127.0.0.1", server.port))
            time.sleep(0.1)
            return True

        assert server.ask("www.example.org") == ["192.0.2.80"]
        upstream.silence(".")
        numbers = iter(range(10_000))
        wait(lambda: asking(next(numbers)) and events("upstream"), server)
        for _ in range(30):
            asking(next(numbers))
        upstream.silence()
        wait(lambda: asking(next(numbers)) and len(events("upstream")) > 1, server)
        down, up = events("upstream")
        assert (down["server"], down["state"], up["server"], up["state"]) == (upstream.label, "down", upstream.label, "up")
        seconds = up["seconds"]
        assert isinstance(seconds, float) and 3 < seconds < 60
        (query,) = [event for event in events("query") if event["name"] == "www.example.org."]
        assert (query["rcode"], query["source"], query["server"]) == ("NOERROR", "upstream", upstream.label)
        assert "Traceback" not in server.text()


def test_journalLinesHavePriorities(tmp_path: Path) -> None:
    """
    Log lines to the systemd journal have a priority and no time, and no class names.
    """
    lines = tmp_path / "journal"
    lines.touch()
    found = lines.stat()
    port = freePort("127.0.0.1")
    words = ["-n", "--pidfile", "", "txdns", "--interface", "127.0.0.1", "--port", str(port), "--control", ""]
    environment = {**os.environ, "JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}
    with lines.open("ab") as log:
        process = subprocess.Popen(twistd(*words), stdout=log, stderr=log, env=environment, cwd=tmp_path)
    try:
        wait(lambda: "answering at" in lines.read_text())
    finally:
        process.terminate()
        process.wait(PATIENCE)
    said = lines.read_text().splitlines()
    assert [line for line in said if not line.startswith("<6>")] == []
    assert f"<6>answering at udp 127.0.0.1:{port}, tcp 127.0.0.1:{port}" in said
    assert [line for line in said if "twisted" in line.removeprefix("<6>twistd") or "202" in line[:8]] == []


def test_startErrorIsPrintedOnce(tmp_path: Path) -> None:
    """
    The reason for a failed start is printed once.
    """
    (tmp_path / "taken").mkdir()
    control = str(tmp_path / "taken")
    words = ["-n", "--pidfile", "", "txdns", "--interface", "127.0.0.1", "--port", str(freePort("127.0.0.1")), "--control", control]
    done = subprocess.run(twistd(*words), capture_output=True, text=True, timeout=PATIENCE, cwd=tmp_path)
    assert done.returncode == 1, done
    assert (done.stdout + done.stderr).count(control) == 1, done


def test_servfailNamesSilentUpstream(tmp_path: Path) -> None:
    """
    SERVFAIL names the upstream that did not answer, in time for C{dig}. The next one gives the same reason as a cached error.
    """
    with Upstream(otherwise="192.0.2.80") as upstream, Twistd(tmp_path, "--upstream", upstream.label, "--stale", "0") as server:
        upstream.silence(".")
        dig = [str(peer("dig")), "@127.0.0.1", "-p", str(server.port), "+tries=1", "silent.example.org"]
        first, second = [subprocess.run(dig, capture_output=True, text=True, timeout=PATIENCE).stdout for _ in range(2)]
        for said in (first, second):
            assert "status: SERVFAIL" in said, said
            cause = rf"EDE: 22 \(No Reachable Authority\): \({upstream.label} did not answer within 4\.0 seconds, \d+ attempts\)"
            assert re.search(cause, said), said
        assert "EDE: 13" not in first and "EDE: 13 (Cached Error)" in second, second


def test_resolvConfRewritesLoseNoQuery(tmp_path: Path) -> None:
    """
    No query is lost while resolv.conf is removed, emptied and rewritten again and again, and no name is queried twice.
    """
    path = tmp_path / "resolv.conf"
    with Upstream(otherwise="192.0.2.80") as upstream:
        path.write_text(f"nameserver {upstream.label}\n")
        with Twistd(tmp_path, "--resolv-conf", str(path)) as server:
            names = [f"n{number}.example.org" for number in range(20)]
            assert [server.ask(name) for name in names] == [["192.0.2.80"]] * 20
            lost = 0
            for turn in range(6):
                if turn % 2:
                    path.write_text("")
                else:
                    path.unlink()
                began = time.monotonic()
                # Longer than the polling interval of the file.
                while time.monotonic() - began < 1.2:
                    lost += sum([server.ask(name) != ["192.0.2.80"] for name in names])
                    lost += server.ask(f"new{turn}.{time.monotonic_ns()}.example.org") != ["192.0.2.80"]
                    time.sleep(0.05)
                path.write_text(f"nameserver {upstream.label}\n")
            assert lost == 0
            assert [upstream.asked["udp", f"{name}.", "A"] for name in names] == [1] * 20


def test_largeAnswerIsFetchedOnce(tmp_path: Path) -> None:
    """
    A name with 4,000 addresses, queried over TCP 50 times a second, is fetched from the upstream once.
    """
    records = [f"10.0.{number // 250}.{number % 250}" for number in range(4000)]
    with Upstream(otherwise=records) as upstream, Twistd(tmp_path, "--upstream", upstream.label) as server:
        for _ in range(150):
            assert len(server.ask("big.example.org", stream=True) or []) == 4000
            time.sleep(0.02)
        fetched = {transport: count for (transport, name, _), count in upstream.asked.items() if name == "big.example.org."}
        # On a busy machine, the truncated reply may come after the query was repeated.
        assert fetched["tcp"] == 1 and fetched["udp"] <= 2, fetched
