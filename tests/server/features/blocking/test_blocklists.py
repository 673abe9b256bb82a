"""
Tests of L{twisted_ext.server.features.blocking}, and of block lists in a whole server on a memory network.
"""

from __future__ import annotations

import os
import time
from typing import cast

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Clock

from tests.server.features.blocking.listcase import ListCase, tableIn
from tests.server.operations.seeing import objectIn
from tests.server.process.test_workers import Processes
from tests.server.test_service import US, ServiceCase
from twisted_ext.metrics.exposition import exposition
from twisted_ext.metrics.figures import JSON
from twisted_ext.resolver.policy.rules.table import BELOW, SELF, PolicyTable, RuleList
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.features.blocking.keeper import BlockLists
from twisted_ext.server.features.blocking.lists import listsIn
from twisted_ext.server.features.order import declaredFigures
from twisted_ext.server.listeners.sockets import boundSockets
from twisted_ext.server.process.jobs.subprocess import BACKGROUND
from twisted_ext.server.process.workers import Workforce
from twisted_ext.testing.sources import questionOf
from twisted_ext.wire.builder import buildQuery
from twisted_ext.wire.codes import RD


class BlockListsTests(ListCase):
    """
    Tests for L{BlockLists}.
    """

    def setUp(self) -> None:
        super().setUp()
        self.took: list[JSON] = []

    def lists(self, **values: object) -> BlockLists:
        """
        Begin to read lists.
        """
        settings = Settings.of(**{"blockList": str(self.list), **values})
        self.clock = Clock()
        made = BlockLists(cast(IReactorTime, self.clock), settings)
        self.addCleanup(made.close)
        made.begin(self.took.append)
        return made

    def test_changedFileIsReadOnceItIsAtRest(self) -> None:
        """
        A list is read again when it has changed and stays the same from one look to the next. The former table exists until there is a
        third one, so that a slow worker finds it.
        """
        lists = self.lists()
        self.children.finish()
        first = lists.path
        self.assertEqual(self.took, [{"table": first, "paused": []}])
        lists.look()
        lists.look()
        self.assertEqual(self.children.started, [])
        self.list.write_text("ads.example\nmore.example\n")
        lists.look()
        self.assertEqual(self.children.started, [])
        lists.look()
        self.assertEqual(len(self.children.started), 1)
        self.assertEqual(lists.path, first)
        self.assertTrue(os.path.exists(first))
        self.children.finish()
        self.assertEqual(PolicyTable.map(lists.path).rulesFor(b"more.example"), [(SELF | BELOW, 2)])
        self.assertEqual(lists.figures(), {"blockLists": 1, "blockNames": 2, "blockListsWrong": 0})
        self.assertTrue(os.path.exists(first))
        self.list.write_text("ads.example\n")
        lists.look()
        lists.look()
        self.children.finish()
        self.assertFalse(os.path.exists(first))

    def test_firstTableIsHurriedFor(self) -> None:
        """
        Queries wait for the first table, and for none of the others.
        """
        lists = self.lists()
        self.children.finish()
        lists.apply(Settings.of(blockList=str(self.list)))
        self.assertEqual(self.children.niceness, [0, BACKGROUND])

    def test_disappearedListIsLogged(self) -> None:
        """
        A list that disappears keeps its names, and the log and the status say so.
        """
        lists = self.lists()
        self.children.finish()
        self.list.unlink()
        lists.look()
        lists.look()
        self.children.finish()
        self.assertEqual(PolicyTable.map(lists.path).rulesFor(b"ads.example"), [(SELF | BELOW, 1)])
        text = f"block list {self.list}: cannot be read: No such file or directory; it keeps its former 1 name"
        self.assertIn(text, self.logged)
        self.assertEqual(lists.figures()["blockListsWrong"], 1)
        self.assertEqual(lists.samples()["blockListFailing"], {str(self.list): 1.0})
        lists.look()
        lists.look()
        self.assertEqual(self.children.started, [])

    def test_failedProcess(self) -> None:
        """
        If the process fails, the former table stays in force, and the lists are read again after a minute, or when they have changed.
        """
        lists = self.lists()
        self.children.finish()
        path = lists.path
        lists.apply(Settings.of(blockList=str(self.list)))
        self.children.started.pop()[1].errback(OSError("killed"))
        self.assertEqual((lists.path, [tableIn(each) for each in self.took]), (path, [path, path]))
        self.assertIn("the block lists cannot be read, the former ones stay in force: killed", self.logged)
        lists.look()
        self.clock.advance(59)
        lists.look()
        self.assertEqual(self.children.started, [])
        self.clock.advance(1)
        lists.look()
        self.children.started.pop()[1].callback(b"Segmentation fault")
        self.assertEqual((lists.path, [tableIn(each) for each in self.took]), (path, [path, path, path]))
        self.list.write_text("more.example\n")
        lists.look()
        lists.look()
        self.children.finish()
        self.assertEqual(lists.names, 1)
        self.clock.advance(3600)
        lists.look()
        self.assertEqual(self.children.started, [])

    def test_stateFolderThatCannotBeMade(self) -> None:
        """
        A state folder in which the table cannot be written is named in the log.
        """
        (self.folder / "state").write_bytes(b"")
        lists = self.lists(state=str(self.folder / "state"))
        self.assertEqual((lists.path, self.took), ("", [{"table": "", "paused": []}]))
        expected = f"they have no effect: their table cannot be written in the state folder {self.folder}/state: File exists"
        self.assertIn(f"the block lists cannot be read, {expected}", self.logged)

    def test_changeWhileReading(self) -> None:
        """
        Settings that change while lists are read are applied after that, with one process at a time.
        """
        lists = self.lists()
        for _ in range(3):
            lists.apply(Settings.of(blockList=str(self.list)))
        self.assertEqual(len(self.children.started), 1)
        self.children.finish()
        self.assertEqual(len(self.children.started), 1)
        self.children.finish()
        self.assertEqual(len(self.children.started), 0)

    def test_addedListsAreWaitedFor(self) -> None:
        """
        The reply to a change waits until the lists that it adds have been read, and says which of them have no effect all the same; a
        change that adds no list waits for nothing.
        """
        lists, more = self.lists(), self.folder / "more"
        self.children.finish()
        lists.apply(Settings.of(blockList=str(self.list), block="more.example"))
        self.assertIs(lists.settling(), None)
        more.write_text("more.example\n")
        lists.apply(Settings.of(blockList=[str(self.list), str(more)]))
        lists.apply(Settings.of(blockList=[str(self.list), str(more), str(self.folder / "gone")]))
        settling = lists.settling()
        assert settling is not None
        # The reading that was under way, and the one after it.
        self.children.finish()
        self.assertNoResult(settling)
        self.children.finish()
        line = f"list {self.folder}/gone cannot be read: No such file or directory, and has no effect"
        self.assertEqual(self.successResultOf(settling), [line])
        self.assertEqual(PolicyTable.map(tableIn(self.took[-1])).rulesFor(b"more.example"), [(SELF | BELOW | 1, 1)])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_changesBeforeTheFirstTable(self) -> None:
        """
        While lists are read for the first time names wait for them, and so does the reply to whatever is changed meanwhile.
        """
        lists = self.lists()
        lists.apply(Settings.of(blockList=str(self.list), block="more.example"))
        settling = lists.settling()
        assert settling is not None
        self.assertNoResult(settling)
        self.children.finish()
        self.children.finish()
        self.assertEqual(self.successResultOf(settling), [])
        self.assertIs(lists.settling(), None)

    def test_addedListsThatTakeLong(self) -> None:
        """
        The reply does not wait for lists that take long, be it to be read or to be fetched, or for ones whose process fails.
        """
        lists = self.lists()
        self.children.finish()
        settings = {"blockList": str(self.list), "list": ["more=/more", "web=https://lists.example/"]}
        lists.apply(Settings.of(**settings, lists="more"))
        first = lists.settling()
        assert first is not None
        self.clock.advance(10)
        line = "the lists are still being read; what was added is in force after that"
        self.assertEqual(self.successResultOf(first), [line])
        second = lists.settling()
        assert second is not None
        self.children.started.pop()[1].callback(b"Segmentation fault")
        line = "list more (/more) could not be read, and has no effect; the log says why"
        self.assertEqual(self.successResultOf(second), [line])
        lists.apply(Settings.of(**settings, lists=["web"]))
        self.children.finish()
        line = "list web (https://lists.example) has yet to be fetched, and has no effect until then"
        late, closed = lists.settling(), lists.settling()
        assert late is not None and closed is not None
        self.clock.advance(9)
        self.assertNoResult(late)
        lists.close()
        self.assertEqual([self.successResultOf(each) for each in (late, closed)], [[line], [line]])
        self.assertEqual(len(self.children.fetching), 1)

    def test_close(self) -> None:
        """
        Closing ends the process and removes the table.
        """
        lists = self.lists()
        self.children.finish()
        lists.apply(Settings.of(blockList=str(self.list)))
        path = lists.path
        lists.close()
        self.assertEqual(self.children.killed, 1)
        self.assertFalse(os.path.exists(os.path.dirname(path)))

    def test_status(self) -> None:
        """
        The status has the names of each list, its bad lines, and whether its names are from before.
        """
        lists = self.lists()
        lists.lists = [
            RuleList("block:/ads", 1_000_000, 2, "line 7: x; line 8: y"),
            RuleList("block:/more", 5, 0, "cannot be read: No such file or directory", True),
            RuleList("except:/good", 1),
        ]
        said = lists.facts()["blocking"]
        assert isinstance(said, dict)
        self.assertEqual(
            said["said"],
            [
                "blocking: 1,000,005 names, lists are being read",
                "  /ads: 1,000,000 names; lines that cannot be used: 2 (line 7: x; line 8: y)",
                "  /more: 5 names, kept from before; it cannot be read: No such file or directory",
                "  /good, exceptions: 1 name",
            ],
        )

    def test_removedLists(self) -> None:
        """
        Without lists nothing is read any more, and the table is removed.
        """
        lists = self.lists()
        self.children.finish()
        path = lists.path
        lists.apply(Settings.of())
        lists.look()
        lists.look()
        self.assertEqual((lists.path, lists.facts(), lists.figures()), ("", {}, {}))
        self.assertEqual((os.path.exists(path), self.children.started), (False, []))

    def test_tableIsKeptForTheNextStart(self) -> None:
        """
        With a state folder, the next process blocks from the beginning by the table of the last one. Lists that are gone by then keep their
        names. A table of other lists, or a damaged one, is not used.
        """
        state = self.folder / "state"
        lists = self.lists(state=str(state))
        self.children.finish()
        lists.close()
        self.list.unlink()
        lists = self.lists(state=str(state))
        self.assertEqual(PolicyTable.map(lists.path).rulesFor(b"ads.example"), [(SELF | BELOW, 1)])
        self.assertEqual(tableIn(self.took[-1]), lists.path)
        self.children.finish()
        self.assertEqual((lists.names, PolicyTable.map(lists.path).count), (1, 1))
        lists.close()
        kept = state / "blocklists.table"
        self.assertEqual(os.listdir(state), [kept.name])
        # Less what the umask takes.
        self.assertEqual(kept.stat().st_mode & 0o777 | 0o640, 0o640)
        before = len(self.took)
        other = self.lists(state=str(state), blockList=["/else", str(self.list)])
        self.assertEqual((other.path, len(self.took)), ("", before))
        self.children.finish()
        other.close()
        kept.write_bytes(kept.read_bytes()[:-3])
        damaged = self.lists(state=str(state), blockList=["/else", str(self.list)])
        self.assertEqual(damaged.path, "")
        text = "the table of block lists of an earlier process cannot be used: this is not a whole table of rules"
        self.assertIn(text, self.logged)
        damaged.close()

    def test_unchangedListsAreNotReadAtStart(self) -> None:
        """
        The next process reads no list that is as it was when the kept table was made.
        """
        state = self.folder / "state"
        lists = self.lists(state=str(state))
        self.children.finish(now=lambda: time.time_ns() + 3_000_000_000)
        lists.close()
        lists = self.lists(state=str(state))
        self.assertEqual((self.children.started, lists.names), ([], 1))
        lists.look()
        lists.look()
        self.assertEqual(self.children.started, [])
        lists.apply(Settings.of(blockList=str(self.list), state=str(state)))
        self.assertEqual(len(self.children.started), 1)
        self.children.finish()
        lists.close()
        self.list.write_text("more.example\n")
        self.lists(state=str(state)).close()
        self.assertEqual(len(self.children.started), 1)

    def test_linesInSettings(self) -> None:
        """
        Lines in the settings are read like those of a file, at the start and after a reload, and are not read again by the next server.
        """
        state = str(self.folder / "state")

        def given(*lines: str) -> dict[str, object]:
            return {"state": state, "blockList": [], "list": [{"name": "games", "names": list(lines)}], "lists": "games"}

        lists = self.lists(**given("games.example", "||ad*.example.org^", "<html>"))
        self.children.finish()
        self.assertEqual(lists.names, 2)
        text = "block list games (settings): 2 names; lines that cannot be used: 1 (line 3: '<html>' is not a domain name)"
        self.assertIn(text, self.logged)
        lists.look()
        lists.look()
        self.assertEqual(self.children.started, [])
        lists.close()
        lists = self.lists(**given("games.example", "||ad*.example.org^", "<html>"))
        self.assertEqual((self.children.started, lists.names), ([], 2))
        lists.apply(Settings.of(**given("more.example")))
        self.children.finish()
        self.assertEqual(PolicyTable.map(lists.path).rulesFor(b"more.example"), [(SELF | BELOW, 1)])
        self.assertEqual(PolicyTable.map(lists.path).rulesFor(b"games.example"), [])

    def test_filesOfSettings(self) -> None:
        """
        Exceptions may be domains or files; files count only if something is blocked.
        """
        settings = Settings.of(blockList=["/ads", "/more", "/ads"], blockExcept=["good.example", "file:/good"])
        self.assertEqual(listsIn(settings), ["block:/ads", "block:/more", "except:/good"])
        self.assertEqual(listsIn(Settings.of(blockExcept="file:/good")), [])


class BlockingServerTests(ListCase, ServiceCase):
    """
    Tests for block lists of a L{ServerService}.
    """

    def setUp(self) -> None:
        ServiceCase.setUp(self)
        ListCase.setUp(self)

    def figures(self) -> dict[str, float]:
        """
        Return the numbers of the running server.
        """
        return self.successResultOf(self.service.status.figures()).numbers

    def rcodes(self, *names: str) -> list[int]:
        """
        Query names, and return the rcodes.
        """
        replies = [self.asked(name) for name in names]
        return [reply.flags & 15 for reply in replies if reply is not None]

    def test_rewrittenAnswersAreRepeated(self) -> None:
        """
        The packet cache also repeats an answer that a rule gives in place of another, for its name or for an alias of it.
        """
        self.list.write_text("||home.example^$dnsrewrite=192.0.2.251\n")
        self.service = self.run_(list=[{"name": "home", "file": str(self.list), "rewrite": True}], lists=["home"])
        self.children.finish()
        self.network.advance(0.1)
        self.upstream.set("alias.example", "CNAME", "www.home.example.")
        transport = self.client.transport
        assert transport is not None
        for name, asked, hits in (("www.home.example", 0, 3), ("alias.example", 1, 2)):
            self.assertEqual(self.rcodes(name), [0])
            before, got = self.service.counters.hits, len(self.client.got)
            # Within one second of the age of the cached answer: a reply for an alias is not kept for longer.
            self.network.advance(0.1)
            for _ in range(4):
                transport.write(b"\0\7" + buildQuery(RD, questionOf(name).toWire(), b""), (US, 53))
                self.network.advance(0.1)
            self.assertEqual(len({reply[2:] for reply in self.client.got[got:]}), 1)
            # A reply is stored the second time that it is there without the upstream.
            self.assertEqual((self.service.counters.hits - before, len(self.upstream.asked)), (hits, asked), name)

    def test_repliesAreRepeatedUntilTheListChanges(self) -> None:
        """
        Queries wait for the list. Replies for blocked and other names then come from the packet cache, all are counted, and none survives a
        change of the list.
        """
        self.upstream.set("www.ads.example", "A", "192.0.2.81")
        self.service = self.run_(blockList=str(self.list))
        self.assertIsNone(self.asked("www.ads.example"))
        self.children.finish()
        self.network.advance(0.1)
        self.assertEqual(self.rcodes(*["www.ads.example"] * 5, *["www.test.example"] * 5), [3] * 5 + [0] * 5)
        self.assertEqual([str(query.question.name) for query in self.upstream.asked], [repr(b"\x03www\x04test\x07example\x00")])
        self.assertEqual((self.figures()["blocked"], self.figures()["blockNames"]), (6, 1))
        self.assertGreater(self.service.counters.hits, 4)
        figures, samples = self.successResultOf(self.service.status.figures()), self.service.status.samples()
        page = exposition(figures, version="1", started=0, declared=declaredFigures(), samples=samples)
        self.assertIn("\ntxdns_blocked_total 6\n", page)
        self.assertIn(f'\ntxdns_block_list_names{{list="{self.list}"}} 1\n', page)
        self.assertIn(f'\ntxdns_block_list_failing{{list="{self.list}"}} 0\n', page)
        self.assertNotIn("txdns_blocking_paused", page)
        self.successResultOf(self.service.status.do("pause", {"view": "default"}))
        self.assertEqual(self.service.status.samples()["blockingPaused"], {"default": 1.0})
        shown = objectIn(objectIn(self.successResultOf(self.service.status.status())["blocking"])["shown"])
        self.assertLess(abs(float(str(objectIn(shown.pop("ends"))["default"])) - time.time() - 300), 60)
        listed = {"name": str(self.list), "place": str(self.list), "names": 1, "wrong": 0, "failing": False}
        self.assertEqual(shown, {"lists": [listed], "paused": ["default"]})
        self.successResultOf(self.service.status.do("resume", {"view": "default"}))
        self.assertIn('\ntxdns_replies_total{rcode="NXDOMAIN"} 6\n', page)
        self.list.write_text("test.example\n")
        self.network.advance(3.0)
        self.assertEqual(self.rcodes("www.ads.example", "www.test.example"), [3, 0])
        self.children.finish()
        self.assertEqual(self.rcodes("www.ads.example", "www.test.example"), [0, 3])

    def test_reloadedSettings(self) -> None:
        """
        A reload blocks other domains at once, answers otherwise, and reads the lists again.
        """
        self.service = self.run_(block="test.example")
        self.assertEqual(self.rcodes("www.test.example", "www.test.example", "www.test.example"), [3, 3, 3])
        self.wanted = self.settings(block="test.example", blockReply="null", blockList=str(self.list))
        reloaded = self.service.reload()
        self.network.advance(0.1)
        self.successResultOf(reloaded)
        self.children.finish()
        self.assertEqual(self.addressOf(), "0.0.0.0")
        self.assertEqual(self.addressOf("x.ads.example"), "0.0.0.0")
        self.wanted = self.settings()
        reloaded = self.service.reload()
        self.network.advance(0.1)
        lines: list[str] = self.successResultOf(reloaded)
        self.assertIn("block-list: ", "".join(lines))
        self.assertEqual(self.addressOf(), "192.0.2.80")

    def test_localDataIsNotBlocked(self) -> None:
        """
        Local records and the hosts file come before block lists; the target of a local alias may be blocked.
        """
        hosts = self.folder / "hosts"
        hosts.write_text("192.0.2.33 host.test.example\n")
        local = ["router.test.example A 192.0.2.31", "alias.lan CNAME www.test.example"]
        self.service = self.run_(block="test.example", local=local, hostsFile=str(hosts))
        self.assertEqual(self.addressOf("router.test.example"), "192.0.2.31")
        self.assertEqual(self.addressOf("host.test.example"), "192.0.2.33")
        self.assertEqual(self.rcodes("alias.lan", "www.test.example"), [3, 3])
        self.assertEqual(self.upstream.asked, [])

    def test_blockedAliasesAreCounted(self) -> None:
        """
        A name that is blocked for its aliases is counted like others.
        """
        self.upstream.set("www.alias.example", "CNAME", "x.ads.example.")
        self.upstream.set("x.ads.example", "A", "192.0.2.81")
        self.service = self.run_(block="ads.example")
        self.assertEqual(self.rcodes(*["www.alias.example"] * 4), [3] * 4)
        self.assertEqual(self.figures()["blocked"], 4)

    def test_status(self) -> None:
        """
        The status has each list with its names and its bad lines.
        """
        self.list.write_text("ads.example\nnot a line\n")
        self.service = self.run_(blockList=str(self.list))
        self.children.finish()
        blocking = self.successResultOf(self.service.status.status())["blocking"]
        said = "line 2: 'not a line' is not a domain, nor a line of a hosts file"
        self.assertEqual(
            blocking,
            {
                "names": 1,
                "reading": False,
                "lists": [{"list": f"block:{self.list}", "names": 1, "wrong": 1, "said": said, "kept": False}],
                "said": ["blocking: 1 name", f"  {self.list}: 1 name; lines that cannot be used: 1 ({said})"],
                "shown": {
                    "lists": [{"name": str(self.list), "place": str(self.list), "names": 1, "wrong": 1, "failing": False}],
                    "paused": [],
                    "ends": {},
                },
            },
        )


class BlockingWorkersTests(ListCase):
    """
    Tests for block lists of a server with workers.
    """

    def test_oneTableForAllWorkers(self) -> None:
        """
        The lists are read once, and all workers map the same file: those that run, and those that begin later.
        """
        processes = Processes()
        bound = boundSockets(("127.0.0.1",), 0, 2)
        force = Workforce(cast(IReactorTime, processes), Settings.of(blockList=str(self.list)), bound, b"s" * 16)
        force.startService()
        self.assertEqual(len(self.children.started), 1)
        self.children.finish()
        for process in processes.started:
            told = [said for said in process.received if (said["do"], said.get("feature")) == ("state", "blocking")]
            self.assertEqual(len(told), 1)
            self.assertEqual(PolicyTable.map(tableIn(told[0]["state"])).count, 1)
        processes.started[0].end()
        processes.advance(5.0)
        self.assertEqual(processes.started[2].received[1], told[0])
        force.stopService()
        for process in processes.started[1:]:
            process.end()
