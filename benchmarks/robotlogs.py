"""
The robot's logs with a million lines: searches, pages, and how long writing keeps the reactor busy.

    python -m benchmarks.robotlogs [lines]

Times of searches and pages are milliseconds for the thread that makes the page, median and most of 20. The last rows are milliseconds
between two turns of the reactor, without load and while lines are logged and pages are made: other programs on the machine count too,
so compare them with the first of these rows.
"""

from __future__ import annotations

import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from typing import cast

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.interfaces import IReactorThreads, IReactorTime
from twisted.internet.task import LoopingCall, deferLater, react

from twisted_ext.apps.robot.database import Database
from twisted_ext.apps.robot.events import Message
from twisted_ext.apps.robot.people import Person, Place
from twisted_ext.apps.robot.plugins.channel import logs
from twisted_ext.apps.robot.plugins.channel.logpages import _Reply
from twisted_ext.apps.robot.program.settings import RobotSettings
from twisted_ext.apps.robot.robot import Robot
from twisted_ext.compat.names import NamesResolver
from twisted_ext.testing.sources import CannedSource

LINES = 1_000_000

DAYS = 365

CHANNELS = [Place("net", f"#channel{number}") for number in range(5)]

ROUNDS = 20


def words(dice: random.Random) -> str:
    """
    @return: a line of words, of which some are frequent and most are rare.
    """
    return " ".join([f"word{int(dice.paretovariate(0.6)) % 50_000}" for _ in range(dice.randrange(4, 16))])


async def filled(database: Database, count: int) -> None:
    """
    Write the lines of a year, up to now.
    """
    dice, start = random.Random(13), time.time() - DAYS * 86400
    batch = 10_000
    for first in range(0, count, batch):
        rows = [
            logs._Row(
                dice.choice(CHANNELS), start + number / count * DAYS * 86400, "message", f"nick{dice.randrange(200)}", words(dice)
            )
            for number in range(first, min(first + batch, count))
        ]
        await database.write(logs._store, rows)


async def timed(title: str, database: Database, parts: list[str], arguments: dict[str, str]) -> None:
    """
    Print how long a page takes.
    """
    times: list[float] = []
    size = 0
    for _ in range(ROUNDS):
        began = time.perf_counter()
        document = await database.read(lambda connection: _Reply(connection, parts, arguments, 1, "http://localhost/logs/").document())
        times.append(1000 * (time.perf_counter() - began))
        size = len(document.body)
        assert document.code == 200, document
    print(f"{title:44} {statistics.median(times):8.1f} {max(times):8.1f} ms {size:9,} octets", flush=True)


async def busiest(reactor: IReactorTime, title: str, work: Callable[[int], object], every: float, seconds: float = 5.0) -> None:
    """
    Print the longest time between two turns of the reactor.
    """
    gaps: list[float] = []
    last = [time.perf_counter()]

    def beat() -> None:
        now = time.perf_counter()
        gaps.append(1000 * (now - last[0]))
        last[0] = now

    # The reactor's own turns, without pauses.
    beating = LoopingCall(beat)
    working = LoopingCall.withCount(work)
    working.start(every, now=False)
    beating.start(0)
    await deferLater(reactor, seconds, lambda: None)
    beating.stop()
    working.stop()
    gaps.sort()
    shown = [gaps[int(share * (len(gaps) - 1))] for share in (0.5, 0.99, 0.999, 1)]
    print(f"{title:44} {' '.join([f'{gap:8.2f}' for gap in shown])} ms (50, 99, 99.9, 100 %)", flush=True)


async def main(reactor: IReactorTime, lines: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        database = Database(cast(IReactorThreads, reactor), os.path.join(folder, "robot.sqlite3"))
        database.open()
        settings = RobotSettings(plugins={"logs": {"channels": ["net/*"]}})
        robot = Robot(reactor, settings, NamesResolver(CannedSource(), reactor), database)
        await robot.plugins.load("logs")
        began = time.perf_counter()
        await filled(database, lines)
        took = time.perf_counter() - began
        size = os.path.getsize(os.path.join(folder, "robot.sqlite3")) / 1e6
        print(f"{lines:,} lines written in {took:.0f} s, {size:,.0f} MB")
        date = time.strftime("%Y-%m-%d", time.gmtime(time.time() - 100 * 86400))
        path = ["net", "#channel0", date]
        inside = {"in": "net/#channel0"}
        await timed("channels", database, [""], {})
        await timed("days of a channel", database, [*path[:2], ""], {})
        await timed("a day", database, path, {})
        await timed("feed", database, [*path[:2], "feed"], {})
        for title, query in (
            ("frequent word", "word1"),
            ("rare word", "word49999"),
            ("two frequent words", "word1 word2"),
            ("phrase", '"word1 word2 word3"'),
            ("eight words", "word1 word2 word3 word4 word5 word6 word7 word8"),
            ("nick and word", "nick7 word3"),
            ("no such word", "nothing"),
        ):
            await timed(f"search: {title}", database, ["search"], {"q": query})
            await timed(f"search in a channel: {title}", database, ["search"], {"q": query, **inside})
        dice = random.Random(7)
        said = [Message(Person("net", f"nick{each % 200}"), dice.choice(CHANNELS), words(dice)) for each in range(1000)]

        def read() -> None:
            database.read(lambda connection: _Reply(connection, path, {}, 1, "").document())

        def say(count: int) -> Callable[[int], None]:
            def work(_: int) -> None:
                for message in said[:count]:
                    robot.receive(message)
                read()

            return work

        await busiest(reactor, "reactor: idle", lambda _: None, 0.05)
        await busiest(reactor, "reactor: pages", lambda _: read(), 0.05)
        await busiest(reactor, "reactor: 200 lines a second, pages", say(10), 0.05)
        await busiest(reactor, "reactor: 2,000 lines a second, pages", say(100), 0.05)
        await robot.stop()
        await database.close()


def run(reactor: IReactorTime) -> Deferred[None]:
    return ensureDeferred(main(reactor, int(sys.argv[1]) if sys.argv[1:] else LINES))


if __name__ == "__main__":
    react(run)
