"""
Tests of C{twistd txdns} with HTTP/3, on real sockets: clients of other projects, and our own.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import pytest_twisted

from tests.certificates import certificateFor, written
from tests.live.twistds import Twistd
from tests.peers import freePort
from twisted_ext.answers import QueryContext
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.forward.forwarder import ForwardingSource
from twisted_ext.resolver.strings.descriptions import sourceFromString
from twisted_ext.testing.sources import questionOf

_LOCAL = "www.example.org A 192.0.2.1"


@contextmanager
def serving(folder: Path, *words: str, address: str = "127.0.0.1") -> Iterator[tuple[Twistd, int, Path]]:
    """
    Run a server with a certificate for C{dns.example}, whose ports for HTTP/2 and HTTP/3 are the same.

    @return: the server, its port, and the file of the authority's certificate.
    """
    certificate = folder / "certificate.pem"
    certificate.write_bytes(certificateFor("dns.example"))
    port = freePort(address)
    place = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    where = ["--https", place, "--http3", place, "--certificate", str(certificate)]
    with Twistd(folder, *where, "--local", _LOCAL, "--no-recursive", *words) as server:
        yield server, port, written(folder)


#: In a process of its own: dnspython leaves sockets open.
_DNSPYTHON = """
import sys
from dns.message import make_query
from dns.query import HTTPVersion, https
query = make_query("www.example.org", "A")
address, port, ca, post = sys.argv[1:]
url = f"https://dns.example:{port}/dns-query"
print(https(query, url, timeout=10, verify=ca, bootstrap_address=address, http_version=HTTPVersion.H3, post=post == "post"))
"""


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("workers", [1, 2])
def test_dnspython(address: str, workers: int, tmp_path: Path) -> None:
    """
    The client of dnspython gets its answers over HTTP/3, over both families, from each of several processes, by POST and GET.
    """
    with serving(tmp_path, "--workers", str(workers), address=address) as (_, port, root):
        for method in ("post", "get"):
            command = [sys.executable, "-c", _DNSPYTHON, address, str(port), str(root), method]
            told = subprocess.run(command, capture_output=True, text=True, timeout=60)
            assert "192.0.2.1" in told.stdout, told.stderr


@pytest_twisted.ensureDeferred
async def test_ownClient(tmp_path: Path) -> None:
    """
    Our client begins with HTTP/2, learns of HTTP/3, and uses it for its next connection.
    """
    from twisted.internet import reactor
    from twisted.internet.interfaces import IReactorTime

    clock = IReactorTime(reactor)
    with serving(tmp_path) as (_, port, root):
        source = sourceFromString(clock, f"https://dns.example:{port}:address=127.0.0.1:ca={root}:keep=0")
        assert isinstance(source, ForwardingSource)
        for _ in range(3):
            answer = await lookUp(source, questionOf("www.example.org"), QueryContext(clock.seconds() + 10.0))
            assert [rdata for rrset in answer.answer for rdata in rrset.rdatas] == [bytes([192, 0, 2, 1])]
        await source.close()
        only = sourceFromString(clock, f"https://dns.example:{port}:address=127.0.0.1:ca={root}:http3=only")
        answer = await lookUp(only, questionOf("www.example.org"), QueryContext(clock.seconds() + 10.0))
        assert answer.answer
        await only.close()
