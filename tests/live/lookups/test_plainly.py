"""
Usual queries of C{txdns query} load nothing of Twisted, and print what the reactor's print.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from random import Random
from typing import Final

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
def _answering(*replies: Callable[[bytes], bytes | None], port: int = 0) -> Iterator[int]:
    """
    Run a server that gives these replies, one after the other and then the last one for ever; return its port.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", port))

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


#: An OPT record with an extended error (RFC 8914): no server of the zone can be reached.
_JUDGED: Final = b"\0\0\x29\x04\xd0\0\0\0\0\0\6\0\x0f\0\2\0\x16"


@pytest.mark.parametrize(
    ("replies", "status", "code"),
    [
        # What is lost is asked again.
        ((lambda query: None, _good), "NOERROR", 0),
        # Not a reply to this query, by its id, bit, opcode or question, and then one.
        ((lambda query: bytes([query[0] ^ 1]) + _good(query, 3)[1:], _good), "NOERROR", 0),
        ((lambda query: query[:2] + b"\x04\x03" + _good(query)[4:], _good), "NOERROR", 0),
        ((lambda query: query[:2] + b"\x94\x03" + _good(query)[4:], _good), "NOERROR", 0),
        ((lambda query: _good(query, 3).replace(b"example", b"another"), _good), "NOERROR", 0),
        # A reply cut short; FORMERR to EDNS; SERVFAIL once, and always.
        ((lambda query: _good(query)[:20], _good), "NOERROR", 0),
        ((lambda query: _good(query, 1), _good), "NOERROR", 0),
        ((lambda query: _good(query, 2), _good), "NOERROR", 0),
        ((lambda query: _good(query, 2),), "SERVFAIL", 0),
        # SERVFAIL of a name that the server has judged (EDE 22) is not asked again.
        ((lambda query: _good(query, 2)[:11] + b"\1" + _good(query, 2)[12:] + _JUDGED, _good), "SERVFAIL", 0),
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
    # A busy machine needs a moment longer.
    line = rf"txdns query: www\.example\.org\. A: 127\.0\.0\.1:{port} did not answer within 2\.\d seconds\n"
    assert (text.returncode, text.stdout) == (9, "") and re.fullmatch(line, text.stderr)
    assert asJSON.returncode == 9 and re.fullmatch(line, asJSON.stderr) and '"error"' in asJSON.stdout


def test_serverOfTheEnvironment() -> None:
    """
    Without C{@}, the servers are those that the environment names in place of the system's.
    """
    with _answering(_good) as port:
        done = txdns("query", "www.example.org", environment={"TXDNS_NAMESERVERS": f"127.0.0.1:{port}"})
    assert (done.returncode, done.stderr) == (0, "")
    assert f";; SERVER: 127.0.0.1#{port}(127.0.0.1) (UDP)" in done.stdout and "status: NOERROR" in done.stdout


def test_severalServers() -> None:
    """
    Where the first of two servers is silent, the second answers.
    """
    with _answering(lambda query: None) as silent, _answering(_good) as port:
        servers = f"127.0.0.1:{silent} 127.0.0.1:{port}"
        done = txdns("query", "www.example.org", "+time=1", "+tries=1", environment={"TXDNS_NAMESERVERS": servers})
    assert (done.returncode, done.stderr) == (0, "") and f"127.0.0.1#{port}(127.0.0.1)" in done.stdout


def test_streamsOfTheSystem() -> None:
    """
    The option C{use-vc} of the system's resolver is obeyed.
    """
    with _answering(_good) as port:
        environment = {"TXDNS_NAMESERVERS": f"127.0.0.1:{port}", "RES_OPTIONS": "use-vc"}
        done = txdns("query", "www.example.org", environment=environment)
    assert (done.returncode, done.stdout) == (9, "") and f"127.0.0.1:{port} cannot be reached over TCP" in done.stderr


def test_otherFamily() -> None:
    """
    C{-6} beside an IPv4 address is wrong usage.
    """
    with _answering(_good) as port:
        done = txdns("query", "www.example.org", "@127.0.0.1", "-p", str(port), "-6")
    assert (done.returncode, done.stdout) == (1, "") and "has no IPv6 server" in done.stderr


@contextmanager
def _truncating(reply: Callable[[bytes], bytes | None]) -> Iterator[int]:
    """
    Run a server whose datagrams are truncated; return its port.

    @param reply: what comes over TCP.
    """
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]

        def run() -> None:
            kept = []
            with suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    kept.append(connection)
                    answer = reply(connection.recv(4096)[2:])
                    if answer is not None:
                        connection.sendall(len(answer).to_bytes(2, "big") + answer)
            for connection in kept:
                connection.close()

        thread = threading.Thread(target=run)
        thread.start()
        try:
            with _answering(lambda query: query[:2] + b"\x87\0" + _good(query)[4:], port=port):
                yield port
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.mark.parametrize(
    ("reply", "shown"), [(_good, "NOERROR"), (lambda query: None, "SERVFAIL"), (lambda query: _good(query, 5), "REFUSED")]
)
def test_truncated(reply: Callable[[bytes], bytes | None], shown: str) -> None:
    """
    After a truncated datagram the reply over TCP is printed; a failure, if there is none.
    """
    with _truncating(reply) as port:
        done = txdns("query", "www.example.org", "@127.0.0.1", "-p", str(port), "+time=1", "+tries=1")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"status: {shown}" in done.stdout and "Truncated, retrying in TCP mode" in done.stdout


def test_lateReply() -> None:
    """
    A reply to the first query that comes after the second was sent ends the look-up.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))

        def run() -> None:
            first, client = sock.recvfrom(4096)
            _, other = sock.recvfrom(4096)
            # Each query has a port of its own.
            sock.sendto(_good(first), client if client != other else ("127.0.0.1", 9))

        thread = threading.Thread(target=run)
        thread.start()
        done = txdns("query", "www.example.org", "@127.0.0.1", "-p", str(sock.getsockname()[1]), "+time=1", "+tries=2")
        thread.join()
    assert (done.returncode, done.stderr) == (0, "") and "status: NOERROR" in done.stdout


def test_slowStream() -> None:
    """
    A connection is waited for as long as all attempts together take.
    """
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def run() -> None:
            connection, _ = listening.accept()
            with connection:
                query = connection.recv(4096)[2:]
                time.sleep(1.3)
                reply = _good(query)
                connection.sendall(len(reply).to_bytes(2, "big") + reply)

        thread = threading.Thread(target=run)
        thread.start()
        done = txdns("query", "www.example.org", "@127.0.0.1", "-p", str(listening.getsockname()[1]), "+tcp", "+time=1", "+tries=2")
        thread.join()
    assert (done.returncode, done.stderr) == (0, "") and "(TCP)" in done.stdout


def test_silentStream() -> None:
    """
    A server that accepts a connection and is silent is asked once, for no longer than the options say.
    """
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        done = txdns("query", "www.example.org", "@127.0.0.1", "-p", str(port), "+tcp", "+time=1", "+tries=2", "+json")
        listening.accept()[0].close()
        listening.setblocking(False)
        with pytest.raises(BlockingIOError):
            listening.accept()
    line = f"txdns query: www.example.org. A: 127.0.0.1:{port} did not answer within 2.0 seconds\n"
    assert (done.returncode, done.stderr, json.loads(done.stdout)["attempts"]) == (9, line, 1)


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
