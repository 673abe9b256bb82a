"""
Usual queries of C{txdns query} load nothing of Twisted, and print what the reactor's print.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random

import pytest

from tests.live.lookups.plainly import SERVERS, compareQueries, randomQueries
from tests.live.lookups.test_txdns import txdns

__all__: list[str] = []


@pytest.mark.parametrize("server", SERVERS)
def test_sameAsByTheReactor(server: str) -> None:
    """
    Outputs, errors and exit codes of forty random queries are the same but for ids and times, and most are answered by plain sockets.
    """
    with SERVERS[server]() as running:
        result = compareQueries(randomQueries(Random(7), 40), running.port)
    assert result.differences == []
    assert result.plain > 25


@contextmanager
def _answering(*replies: Callable[[bytes], bytes | None]) -> Iterator[int]:
    """
    Run a server that gives these replies, one after the other and then the last one for ever; return its port.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))

        def run() -> None:
            for count in range(1000):
                query, client = sock.recvfrom(4096)
                if query == b"end":
                    return
                reply = replies[min(count, len(replies) - 1)](query)
                if reply is not None:
                    sock.sendto(reply, client)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield sock.getsockname()[1]
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ending:
                ending.sendto(b"end", sock.getsockname())
            thread.join()


def _good(query: bytes, rcode: int = 0) -> bytes:
    """
    Return a reply without records, and without the OPT record.
    """
    end = query.index(b"\0", 12) + 5
    return query[:2] + bytes([0x84 | query[2] & 1, rcode]) + b"\0\1" + bytes(6) + query[12:end]


@pytest.mark.parametrize(
    ("replies", "status", "code"),
    [
        # What is lost is asked again.
        ((lambda query: None, _good), "NOERROR", 0),
        # Not a reply to this query, and then one; a reply cut short; FORMERR to EDNS; SERVFAIL twice.
        ((lambda query: b"\0\0" + _good(query)[2:], _good), "NOERROR", 0),
        ((lambda query: _good(query)[:20], _good), "NOERROR", 0),
        ((lambda query: _good(query, 1), _good), "NOERROR", 0),
        ((lambda query: _good(query, 2),), "SERVFAIL", 0),
        ((lambda query: _good(query, 5),), "REFUSED", 0),
        ((lambda query: _good(query) + b"more",), "NOERROR", 0),
    ],
)
def test_unusualReplies(replies: tuple[Callable[[bytes], bytes | None], ...], status: str, code: int) -> None:
    """
    A reply that is lost, malformed, or another one than the query's does not end the look-up.
    """
    with _answering(*replies) as port:
        done = txdns("query", "www.example.org", "@127.0.0.1", "-p", str(port), "+time=1", "+tries=2")
    assert (done.returncode, done.stderr) == (code, "")
    assert f"status: {status}" in done.stdout and done.stdout.count("status:") == 1


def test_silence() -> None:
    """
    A silent server is named with the time, in text and as JSON.
    """
    with _answering(lambda query: None) as port:
        words = ["query", "www.example.org", "@127.0.0.1", "-p", str(port), "+time=1", "+tries=2"]
        text, asJSON = txdns(*words), txdns(*words, "+json")
    line = f"txdns query: www.example.org. A: 127.0.0.1:{port} did not answer within 2.0 seconds\n"
    assert (text.returncode, text.stdout, text.stderr) == (9, "", line)
    assert (asJSON.returncode, asJSON.stderr) == (9, line) and '"error"' in asJSON.stdout


def test_serverOfTheEnvironment() -> None:
    """
    Without C{@}, the servers are those that the environment names in place of the system's.
    """
    with _answering(_good) as port:
        done = txdns("query", "www.example.org", environment={"TXDNS_NAMESERVERS": f"127.0.0.1:{port}"})
    assert (done.returncode, done.stderr) == (0, "")
    assert f";; SERVER: 127.0.0.1#{port}(127.0.0.1) (UDP)" in done.stdout and "status: NOERROR" in done.stdout


def test_silentStream() -> None:
    """
    A server that accepts connections and is silent takes no longer than the options say.
    """
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        done = txdns("query", "www.example.org", "@127.0.0.1", "-p", str(port), "+tcp", "+time=1", "+tries=2")
    line = f"txdns query: www.example.org. A: 127.0.0.1:{port} did not answer within 2.0 seconds\n"
    assert (done.returncode, done.stdout, done.stderr) == (9, "", line)


@pytest.mark.parametrize(("number", "code"), [(2, 130), (15, 143)])
def test_signals(number: int, code: int) -> None:
    """
    A signal ends a look-up that waits, with the code that shells use.
    """
    with _answering(lambda query: None) as port:
        words = ["query", "www.example.org", "@127.0.0.1", "-p", str(port), "+time=20"]
        process = subprocess.Popen([sys.executable, "-m", "twisted_ext.apps.cli.main", *words], stderr=subprocess.PIPE, text=True)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as waiting:
            # It is waiting once it has sent.
            waiting.settimeout(0.5)
            with pytest.raises(TimeoutError):
                waiting.recv(1)
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (code, "")
