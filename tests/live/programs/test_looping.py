"""
Unchanged asyncio programs on our resolver, which leaves nothing behind when they end.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Final, cast

import pytest

from tests.docs.conftest import servers
from tests.docs.listings import Servers
from tests.test_architecture import ROOT
from tests.tour.machine import usable
from twisted_ext import asyncio as looping

__all__ = ["servers"]

#: A program that knows only its loop, looks up addresses of services, and closes the loop.
_ADDRESSES: Final = """
import asyncio
import socket

SITES = [("pymotw.com", "https"), ("doughellmann.com", "https"), ("python.org", "https")]

async def main(loop):
    for site in SITES:
        for row in await loop.getaddrinfo(*site, proto=socket.IPPROTO_TCP):
            print(f"{site[0]:20}: {row[4][0]} {row[4][1]}")

loop = asyncio.get_event_loop()
try:
    loop.run_until_complete(main(loop))
finally:
    loop.close()
"""

#: The same for names of addresses.
_NAMES: Final = """
import asyncio

PEERS = [("66.33.211.242", 443), ("104.130.43.121", 443)]

async def main(loop):
    for peer in PEERS:
        print("{:15}: {} {}".format(peer[0], *await loop.getnameinfo(peer)))

loop = asyncio.get_event_loop()
try:
    loop.run_until_complete(main(loop))
finally:
    loop.close()
"""

#: Runs such a program with our resolver or the loop's own, and makes sure that it starts no thread and creates no global reactor.
_START: Final = """
import asyncio, runpy, sys, threading

whose, script = sys.argv[1:]
loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
# In debug mode a loop complains of a busy machine, too.
loop.slow_callback_duration = 60
if whose == "ours":
    from twisted_ext import asyncio as looping
    looping.install(loop)
    loop.set_default_executor = threading.Thread.start = None
runpy.run_path(script, run_name="__main__")
assert whose != "ours" or "twisted.internet.reactor" not in sys.modules
"""

#: Look-ups that hang over UDP and TCP when the loop is closed, some of them canceled.
_CLUTTER: Final = """
import asyncio, os, socket
from twisted_ext import asyncio as looping

def descriptors():
    return {name for name in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{name}")}

async def main(datagrams, streams):
    # In debug mode a loop complains of a busy machine, too.
    asyncio.get_running_loop().slow_callback_duration = 60
    looping.install()
    ways = [f"udp:127.0.0.1:{datagrams.getsockname()[1]}", f"tcp:127.0.0.1:{streams.getsockname()[1]}"]
    asking = [looping.getaddrinfo(f"h{number}.example", 80, resolver=way) for number in range(20) for way in ways]
    tasks = [asyncio.create_task(each) for each in asking]
    accepted, _ = await asyncio.get_running_loop().sock_accept(streams)
    await asyncio.get_running_loop().sock_recv(datagrams, 512)
    for task in tasks[:20]:
        task.cancel()
    await asyncio.wait(tasks[:20])
    return accepted

with socket.socket(type=socket.SOCK_DGRAM) as datagrams, socket.socket() as streams:
    datagrams.bind(("127.0.0.1", 0))
    streams.bind(("127.0.0.1", 0))
    streams.listen()
    datagrams.setblocking(False)
    streams.setblocking(False)
    before = descriptors()
    asyncio.run(main(datagrams, streams)).close()
    print(sorted(descriptors() - before))
"""

#: A program on a Twisted reactor that runs on an asyncio loop.
_REACTOR: Final = """
import asyncio, sys
from twisted.internet import asyncioreactor
loop = asyncio.new_event_loop()
asyncioreactor.install(loop)
from twisted.internet import reactor
from twisted_ext import client
from twisted_ext import asyncio as looping

async def main():
    looping.install(resolver=sys.argv[1])
    rows = await loop.getaddrinfo("www.example.com", 443)
    print(sorted({row[4][0] for row in rows}), looping.reactorFor() is reactor, looping.getResolver() is client.getResolver())

task = loop.create_task(main())
task.add_done_callback(lambda _: reactor.stop())
reactor.run()
task.result()
"""


#: Every warning of Python is an error.
_STRICT: Final = ("-X", "dev", "-W", "error", "-W", "ignore::DeprecationWarning")


def run(*words: str) -> str:
    """
    Return the output of Python.
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, *words], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize("program", [_ADDRESSES, _NAMES], ids=["addresses", "names"])
def test_unchangedProgramPrintsTheSame(program: str, tmp_path: Path) -> None:
    """
    An asyncio program prints the same with our resolver as with the loop's own.
    """
    if not usable():
        pytest.skip("this system gives no namespaces to ordinary users")
    try:
        socket.getservbyname("https", "tcp")
    except OSError:
        # Machines without a services file need port numbers.
        program = program.replace('"https"', "443")
    (tmp_path / "program.py").write_text(program)
    (tmp_path / "start.py").write_text(_START)
    start = ("-m", "tests.tour.machine", *_STRICT, str(tmp_path / "start.py"))
    ours, theirs = (run(*start, whose, str(tmp_path / "program.py")) for whose in ("ours", "theirs"))
    assert ours == theirs
    assert ours.count("\n") >= 2
    assert "443" in ours or "https" in ours


def test_closedLoopLeavesNothing() -> None:
    """
    C{asyncio.run} leaves no warning and no open descriptor in development mode, even with hanging look-ups.
    """
    assert run(*_STRICT, "-c", _CLUTTER) == "[]\n"


def test_reactorOnTheLoopIsUsed(servers: Servers) -> None:
    """
    The reactor of the process and its resolver are used where it runs on the loop.
    """
    printed = run("-c", _REACTOR, f"udp:127.0.0.1:{servers.ports['5301']}")
    assert printed == "['192.0.2.80', '2001:db8::80'] True True\n"


def test_loopsInThreadsAreSeparate(servers: Servers) -> None:
    """
    Loops in several threads have separate resolvers.
    """
    description = f"cache:udp:127.0.0.1:{servers.ports['5301']}"
    found: list[int] = []

    async def main() -> None:
        for _ in range(20):
            rows = await asyncio.gather(
                *[looping.getaddrinfo("www.example.com", 443, resolver=description) for _ in range(5)]
            )
            found.extend(len(each) for each in rows)

    threads = [threading.Thread(target=asyncio.run, args=(main(),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Two families, three kinds of sockets each.
    assert found == [6] * 400


def test_aiohttpUsesOurResolver(servers: Servers) -> None:
    """
    aiohttp fetches a page from a host that our resolver has found, and its error names a host without an address.
    """
    pytest.importorskip("aiohttp", reason="aiohttp is not installed")
    import aiohttp
    from aiohttp import web
    from aiohttp.abc import AbstractResolver

    async def hello(request: web.Request) -> web.Response:
        return web.Response(text=f"hello {request.host.partition(':')[0]}")

    async def main() -> None:
        application = web.Application()
        application.router.add_get("/", hello)
        runner = web.AppRunner(application)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        resolver = looping.Resolver(f"udp:127.0.0.1:{servers.ports['5301']}")
        assert isinstance(resolver, AbstractResolver)
        connector = aiohttp.TCPConnector(resolver=cast(AbstractResolver, resolver))
        async with aiohttp.ClientSession(connector=connector) as session:
            async with session.get(f"http://web.example.com:{port}/") as response:
                assert await response.text() == "hello web.example.com"
            with pytest.raises(aiohttp.ClientConnectorDNSError):
                await session.get(f"http://gone.example.com:{port}/")
        await resolver.close()
        await runner.cleanup()

    asyncio.run(main())
