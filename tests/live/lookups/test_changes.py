"""
Watched names of a real server that change.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.apps.terminals import Terminal
from tests.live.lookups.zonesown import LATE
from tests.live.zones.test_updates import UpdatableServer, ours, run, target
from tests.live.zones.test_updates import txdns as update
from tests.patience import PATIENCE
from tests.peers import unbound
from tests.test_architecture import ROOT
from tests.tour.machine import usable
from twisted_ext.apps.cli.terminal.exits import BROKEN_PIPE, OK

__all__ = ["ours", "run"]

NAME = "www.dyn.example.org"
COMMAND = ["-m", "twisted_ext.apps.cli.main", "watch", NAME, "--interval", "0.2"]

#: Prints all changes until the last one, on the reactor.
_WATCHING = """
import sys
from twisted.internet import defer, task
from twisted_ext import client

async def main(reactor):
    async with client.watch(sys.argv[1], resolver=sys.argv[2], interval=0.2) as changes:
        async for change in changes:
            print(change, flush=True)
            if change.texts == ("192.0.2.2",):
                break
    result = await client.waitFor(sys.argv[1], "A", lambda texts: "192.0.2.3" in texts, resolver=sys.argv[2], interval=0.2, timeout=60)
    print("waited for", len(result[0]), flush=True)
    print("left", reactor.getDelayedCalls(), flush=True)

task.react(lambda reactor: defer.ensureDeferred(main(reactor)))
"""

#: The same on a bare loop of asyncio.
_LOOPING = """
import asyncio, sys
from twisted_ext import asyncio as looping

async def main():
    async for change in looping.watch(sys.argv[1], resolver=sys.argv[2], interval=0.2):
        print(change, flush=True)
        if change.texts == ("192.0.2.2",):
            break
    result = await looping.waitFor(
        sys.argv[1], "A", lambda texts: "192.0.2.3" in texts, resolver=sys.argv[2], interval=0.2, timeout=60
    )
    print("waited for", len(result[0]), flush=True)
    print("left", [task for task in asyncio.all_tasks() if task is not asyncio.current_task()], flush=True)

asyncio.run(main())
"""


def change(server: UpdatableServer, *lines: str) -> None:
    """
    Change the zone by a dynamic update.
    """
    done = update(target(server, key=False) + "".join([f"update {line}\n" for line in lines]) + "send\n")
    assert (done.returncode, done.stderr) == (OK, "")


def describe(server: UpdatableServer) -> str:
    """
    Return the description of a resolver that uses this server.
    """
    return f"udp:{server.address}:{server.port}"


def test_eachChangeIsReported(ours: UpdatableServer) -> None:
    """
    Each change of the zone is reported as it is made, up to the value that C{--until} names.
    """
    with Terminal([*COMMAND, f"@{describe(ours)}", "--json", "--until", "192.0.2.2", "--timeout", "120"]) as terminal:
        terminal.expect(r'"nxdomain".*?\n')
        change(ours, f"add {NAME} 300 A 192.0.2.1")
        terminal.expect(r'"data": \["192\.0\.2\.1"\].*?\n')
        change(ours, f"delete {NAME} A", f"add {NAME} 300 TXT here")
        terminal.expect(r'"nodata".*?\n')
        change(ours, f"add {NAME} 300 A 192.0.2.1", f"add {NAME} 300 A 192.0.2.2")
        assert terminal.wait() == OK
        told = [json.loads(line) for line in terminal.output.splitlines()]
    assert [each["outcome"] for each in told] == ["nxdomain", "data", "nodata", "data"]
    assert (told[-1]["data"], told[-1]["ttl"]) == (["192.0.2.1", "192.0.2.2"], 300)
    assert told[-1]["before"] == {"outcome": "nodata", "data": []}


def test_changeBehindCacheIsReportedAtTTL(ours: UpdatableServer) -> None:
    """
    Behind a cache (Unbound) a change is reported when the TTL ends there. No interval needs to be given.
    """
    change(ours, f"add {NAME} 3 A 192.0.2.1")
    stub = f"stub-zone:\nname: example.org\nstub-addr: {ours.address}@{ours.port}"
    with unbound(extra=stub) as cache:
        with Terminal([*COMMAND[:4], f"@{cache.address}:{cache.port}", "--until", "192.0.2.2", "--timeout", "120"]) as terminal:
            terminal.expect(r"A: 192\.0\.2\.1\r?\n")
            change(ours, f"delete {NAME} A", f"add {NAME} 3 A 192.0.2.2")
            terminal.expect(r"A: 192\.0\.2\.2 \(was 192\.0\.2\.1\)\r?\n", PATIENCE)
            assert terminal.wait() == OK


def test_lossAndReturnOfServerAreReported(ours: UpdatableServer) -> None:
    """
    The loss of a server is reported, and so is its return.
    """
    change(ours, f"add {NAME} 300 A 192.0.2.1")
    with Terminal([*COMMAND, f"@{describe(ours)}"]) as terminal:
        terminal.expect(r"A: 192\.0\.2\.1\r?\n")
        ours.stop(signal.SIGKILL)
        terminal.expect(r"A: not known: .* \(was 192\.0\.2\.1\)\r?\n", PATIENCE)
        ours.start()
        terminal.expect(r"A: 192\.0\.2\.1 \(was not known: ", 4 * PATIENCE)


def test_closedPipeEndsQuietly(ours: UpdatableServer) -> None:
    """
    The command ends quietly with the next change when the reader of its output has closed the pipe.
    """
    command = [sys.executable, *COMMAND, f"@{describe(ours)}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT) as watching:
        assert watching.stdout is not None and watching.stderr is not None
        first = subprocess.run(["head", "-n", "1"], stdin=watching.stdout, capture_output=True, text=True, timeout=PATIENCE)
        watching.stdout.close()
        try:
            assert first.stdout.endswith("A: no such name\n")
            change(ours, f"add {NAME} 300 A 192.0.2.1")
            assert watching.wait(PATIENCE) == BROKEN_PIPE
            assert watching.stderr.read() == ""
        finally:
            watching.kill()


@pytest.mark.parametrize("program", [_WATCHING, _LOOPING], ids=["reactor", "asyncio"])
def test_programsWatchAndWait(program: str, ours: UpdatableServer, tmp_path: Path) -> None:
    """
    A program sees changes as they are made and waits for one, on the reactor and on a bare asyncio loop. Nothing is left behind.
    """
    change(ours, f"add {NAME} 300 A 192.0.2.1")
    with Terminal(["-c", program, NAME, describe(ours)], directory=str(ROOT)) as terminal:
        terminal.expect(r"192\.0\.2\.1\r?\n")
        change(ours, f"delete {NAME} A", f"add {NAME} 300 A 192.0.2.2")
        terminal.expect(r"192\.0\.2\.2 \(was 192\.0\.2\.1\)\r?\n")
        change(ours, f"add {NAME} 300 A 192.0.2.3")
        terminal.expect(r"waited for 2\r?\nleft \[\]\r?\n")
        assert terminal.wait() == 0


@pytest.mark.skipif(not usable(), reason="this system gives no network of one's own")
def test_everyServerHasTheValue() -> None:
    """
    C{--every-server} waits until every name server of the zone has the new value, late ones included. An unreachable address does not hold
    it up.
    """
    words = ["watch", "www.example.org", "@127.0.0.1", "--every-server", "--interval", "0.1", "--until", "192.0.2.2"]
    command = [sys.executable, "-m", "tests.live.lookups.zonesown", *words, "--timeout", "60"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=ROOT)
    assert (done.returncode, done.stderr) == (OK, "")
    assert sorted([line.partition(" ")[2] for line in done.stdout.splitlines()]) == [
        "www.example.org A @127.0.0.1: 192.0.2.2",
        "www.example.org A @127.0.0.2: 192.0.2.1",
        "www.example.org A @127.0.0.2: 192.0.2.2 (was 192.0.2.1)",
    ]
    assert LATE
