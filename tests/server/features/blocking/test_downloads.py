"""
Tests of L{twisted_ext.server.features.blocking.downloads}: when lists are fetched, and what becomes of what comes.
"""

from __future__ import annotations

import json
import os
from hashlib import blake2b
from pathlib import Path
from time import localtime, strftime
from typing import cast
from unittest.mock import patch

import pytest
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Clock

from tests.server.features.blocking.listcase import ListCase, tableIn
from twisted_ext.errors import CallerFault
from twisted_ext.limits import BLOCK_NAMES
from twisted_ext.metrics.figures import JSON
from twisted_ext.resolver.policy.rules.table import PolicyTable
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.features.blocking import downloads
from twisted_ext.server.features.blocking.downloads import Downloads
from twisted_ext.server.features.blocking.keeper import BlockLists

URL = "https://lists.example/ads.txt?key=hunter2"

#: When the tests begin, in seconds since 1970.
BEGUN = 1_790_000_000.0

_HOUR = 3600.0
_DAY = 86_400.0


class FetchedCase(ListCase):
    """
    A server with a list that is fetched, whose times are not moved at random.
    """

    def setUp(self) -> None:
        super().setUp()
        self.took: list[JSON] = []
        self.state = self.folder / "state"
        self.clock = Clock()
        self.spread = 1.0
        self.made: BlockLists | None = None

    def start(self, **values: object) -> BlockLists:
        """
        Start the server, or another one after it has ended.
        """
        if self.made is not None:
            self.made.close()
        given = {"state": str(self.state), "list": f"ads={URL}", "lists": "ads", **values}
        self.made = BlockLists(cast(IReactorTime, self.clock), Settings.of(**given))
        self.made._downloads._today = lambda: BEGUN + self.clock.seconds()
        self.made._downloads._spread = lambda: self.spread
        self.addCleanup(self.made.close)
        self.made.begin(self.took.append)
        return self.made

    def wait(self, seconds: float) -> None:
        """
        Let time pass, and the server look after its lists.
        """
        assert self.made is not None
        self.clock.advance(seconds)
        self.made.look()

    def arrive(self, text: str, etag: str = "", wrong: int = 0, source: str = "") -> None:
        """
        End the process that fetches: it has fetched this.
        """
        job, ended = self.children.fetching.pop(0)
        Path(job["path"]).write_text(text)
        octets = text.encode()
        done = {
            "changed": True,
            "digest": blake2b(octets, digest_size=16).hexdigest(),
            "octets": len(octets),
            "rules": text.count("\n"),
            "wrong": wrong,
            "said": "line 1: x" if wrong else "",
            "etag": etag,
            "modified": "",
            "source": source or job["url"],
        }
        ended.callback(json.dumps(done).encode())
        if self.children.started:
            self.children.finish()

    def end(self, **done: object) -> None:
        """
        End the process that fetches, with this result.
        """
        self.children.fetching.pop(0)[1].callback(json.dumps(done).encode())

    def blocks(self, name: str) -> bool:
        """
        Return whether the table in force has a rule for a name.
        """
        path = tableIn(self.took[-1])
        return bool(path) and bool(PolicyTable.map(path).rulesFor(name.encode()))


class DownloadTests(FetchedCase):
    """
    Tests of lists that arrive.
    """

    def test_listIsFetchedAndRead(self) -> None:
        """
        A list is fetched at the start, while names are not waited for, and read when it has come. It is fetched again a day after that.
        """
        self.start()
        self.assertEqual(self.took, [{"table": "", "paused": []}])
        self.wait(0)
        ((job, _),) = self.children.fetching
        self.assertEqual((job["url"], job["etag"], job["modified"]), (URL, "", ""))
        self.arrive("ads.example\n", '"a"')
        self.assertTrue(self.blocks("ads.example"))
        self.assertIn("list ads: 1 rule in 12 octets from https://lists.example", self.logged)
        self.assertIn("block list ads (https://lists.example): 1 name", self.logged)
        self.wait(_DAY - 1)
        self.assertEqual(self.children.fetching, [])
        self.wait(1)
        self.assertEqual(self.children.fetching[0][0]["etag"], '"a"')
        self.end(changed=False)
        self.assertIn("list ads: it has not changed", self.logged)
        self.wait(_DAY - 1)
        self.assertEqual(self.children.fetching, [])
        self.wait(1)
        self.arrive("more.example\n")
        self.assertEqual((self.blocks("more.example"), self.blocks("ads.example")), (True, False))
        self.assertEqual(len([each for each in os.listdir(self.state / "lists") if each.endswith(".list")]), 1)

    def test_every(self) -> None:
        """
        A list may be fetched more often, and each time is moved by up to a tenth at random.
        """
        self.spread = 0.9
        self.start(list={"name": "ads", "url": URL, "every": "2h"})
        self.wait(0)
        self.arrive("ads.example\n")
        self.wait(1.8 * _HOUR - 1)
        self.assertEqual(self.children.fetching, [])
        self.wait(1)
        self.assertEqual(len(self.children.fetching), 1)
        self.assertTrue(all(0.9 <= downloads._random() <= 1.1 for _ in range(100)))
        self.assertGreater(len({downloads._random() for _ in range(10)}), 1)

    def test_nextStart(self) -> None:
        """
        The next server uses the copy from the beginning, and fetches the list when it is due; so it does if the clock is before the copy.
        """
        self.start()
        self.wait(0)
        self.arrive("ads.example\n", '"a"')
        self.wait(_HOUR)
        (self.state / "blocklists.table").unlink()
        self.start()
        self.children.finish()
        self.assertTrue(self.blocks("ads.example"))
        self.wait(23 * _HOUR - 1)
        self.assertEqual(self.children.fetching, [])
        self.wait(1)
        self.assertEqual(self.children.fetching.pop()[0]["etag"], '"a"')
        with patch.object(downloads, "time", lambda: 0.0):
            early = Downloads(cast(IReactorTime, self.clock), lambda: None, today=lambda: 0.0)
            early.apply(Settings.of(list=f"ads={URL}", lists="ads"), lambda: str(self.state / "lists"))
        early.look()
        self.assertEqual(len(self.children.fetching), 1)

    def test_unchangedSinceTheLastStart(self) -> None:
        """
        If nothing has changed the next server reads nothing, and says which lists it uses.
        """
        self.start()
        self.wait(0)
        with patch.object(self.children, "finish", lambda: None):
            self.arrive("ads.example\n")
        self.children.finish(now=lambda: 1 << 62)
        self.start()
        self.assertEqual((self.children.started, self.blocks("ads.example")), ([], True))
        self.assertIn("block lists: 1 name in 1 list, unchanged since the last start", self.logged)

    def test_versionOfRedirect(self) -> None:
        """
        The next request has the version of the copy together with the URL that it is from. Of a copy that an earlier version of this
        program has fetched that URL is not known, but the copy is in force.
        """
        self.start()
        self.wait(0)
        self.arrive("ads.example\n", '"a"', source="https://mirror.example/ads")
        for source in ("https://mirror.example/ads", ""):
            self.wait(_DAY)
            ((job, _),) = self.children.fetching
            self.assertEqual((job["url"], job["etag"], job["source"]), (URL, '"a"', source))
            self.end(changed=False)
            description = self.state / "lists" / "ads.json"
            known = json.loads(description.read_text())
            del known["source"]
            description.write_text(json.dumps(known))
            self.start()
            self.assertTrue(self.blocks("ads.example"))

    def test_addedWhileItRuns(self) -> None:
        """
        A list that was added while the server runs is fetched at once, and the change is acknowledged when it is in force, or has failed.
        It is fetched from public addresses only, unless the operator has written its URL.
        """
        made = self.start()
        self.wait(0)
        self.arrive("ads.example\n")
        own = Settings.of(state=str(self.state), list=f"ads={URL}", lists="ads")
        other = {"list": [f"ads={URL}", "own=https://inside.example/", f"again={URL}"], "lists": ["ads", "own", "again"]}
        more = Settings.of(state=str(self.state), **other)
        hangs = "list own (https://inside.example) could not be fetched: it hangs; it has no effect until it is, and is tried again"
        for line in ("", hangs):
            made.apply(own)
            self.children.finish()
            made.apply(Settings(more.given, own=own))
            self.children.finish()
            settling = made.settling()
            assert settling is not None
            self.wait(0)
            self.assertNoResult(settling)
            jobs = {job["url"]: job["public"] for job, _ in self.children.fetching}
            self.assertEqual(jobs, {"https://inside.example/": True, URL: False})
            self.arrive("inside.example\n") if not line else self.end(failed="it hangs")
            self.assertNoResult(settling)
            self.arrive("more.example\n")
            self.wait(0)
            self.assertEqual(self.successResultOf(settling), [line] if line else [])
            self.assertEqual((self.blocks("inside.example"), self.blocks("more.example")), (not line, True))

    def test_withoutStateFolder(self) -> None:
        """
        Without a state folder copies are kept until the server ends.
        """
        made = self.start(state="")
        self.wait(0)
        folder = os.path.dirname(os.path.dirname(self.children.fetching[0][0]["path"]))
        self.arrive("ads.example\n")
        self.assertTrue(self.blocks("ads.example"))
        made.close()
        self.assertFalse(os.path.exists(folder))

    def test_settingsChange(self) -> None:
        """
        A list that is no longer applied is not fetched any more, and its copy is removed; one with another URL is fetched from there.
        """
        made = self.start()
        self.wait(0)
        self.arrive("ads.example\n")
        made.apply(Settings.of(state=str(self.state), list="ads=https://other.example/", lists="ads"))
        self.wait(0)
        self.assertFalse(self.blocks("ads.example"))
        self.assertEqual(self.children.fetching[0][0]["url"], "https://other.example/")
        made.apply(Settings.of(state=str(self.state)))
        self.assertEqual((self.children.killed, self.took[-1]), (1, None))
        self.children.fetching.clear()
        self.wait(_DAY)
        self.assertEqual((self.children.fetching, os.listdir(self.state / "lists")), ([], []))

    def test_reloadKeepsTheTime(self) -> None:
        """
        A reload fetches nothing that is not due, and applies another C{every}.
        """
        made = self.start()
        self.wait(0)
        self.arrive("ads.example\n")
        made.apply(Settings.of(state=str(self.state), list=f"ads={URL}", lists="ads"))
        self.children.finish()
        self.wait(_HOUR)
        self.assertEqual(self.children.fetching, [])
        made.apply(Settings.of(state=str(self.state), list={"name": "ads", "url": URL, "every": "1h"}, lists="ads"))
        self.children.finish()
        self.wait(0)
        self.assertEqual(len(self.children.fetching), 1)

    def startMany(self, *hosts: str) -> None:
        """
        Start a server with a list of each of these hosts, and look after them once.
        """
        names = [f"list{number}" for number in range(len(hosts))]
        lists = [f"{name}=https://{host}/{name}" for name, host in zip(names, hosts, strict=True)]
        self.start(list=lists, lists=names)
        self.wait(0)

    def fetching(self) -> list[str]:
        """
        Return the lists that are being fetched.
        """
        return [job["url"].removeprefix("https://") for job, _ in self.children.fetching]

    def test_onlySomeAtATime(self) -> None:
        """
        Two lists are fetched at a time, each once.
        """
        self.startMany("a.example", "b.example", "c.example")
        self.wait(1)
        self.assertEqual(self.fetching(), ["a.example/list0", "b.example/list1"])
        self.arrive("ads.example\n")
        self.wait(1)
        self.assertEqual(self.fetching(), ["b.example/list1", "c.example/list2"])

    def test_slowHosts(self) -> None:
        """
        Hosts that hang delay the lists of others by seconds. Further lists of theirs wait, so that they take no more processes.
        """
        self.startMany("slow.example", "SLOW.example", "slow.example", "hangs.example", "a.example", "b.example", "c.example")
        self.assertEqual(self.fetching(), ["slow.example/list0", "SLOW.example/list1"])
        self.wait(9)
        self.assertEqual(len(self.fetching()), 2)
        self.wait(1)
        self.assertEqual(self.fetching()[2:], ["hangs.example/list3", "a.example/list4"])
        self.wait(10)
        self.assertEqual(self.fetching()[4:], ["b.example/list5", "c.example/list6"])
        self.end(failed="it did not arrive")
        self.wait(10)
        self.assertEqual(self.fetching()[5:], ["slow.example/list2"])

    def test_oneURLThatHangs(self) -> None:
        """
        One URL that hangs does not keep the other lists of its host: they are fetched meanwhile, one after the other.
        """
        self.startMany("lists.example", "lists.example", "lists.example")
        hangs = self.children.fetching.pop(0)
        self.arrive("a.example\n")
        self.wait(1)
        self.assertEqual(self.fetching(), ["lists.example/list2"])
        self.arrive("b.example\n")
        self.assertEqual((self.blocks("a.example"), self.blocks("b.example")), (True, True))
        self.assertFalse(hangs[1].called)

    def test_manySlowHosts(self) -> None:
        """
        However many hosts hang, there are no more than eight processes.
        """
        self.startMany(*[f"slow{number}.example" for number in range(20)])
        for _ in range(20):
            self.wait(10)
        self.assertEqual(len(self.fetching()), 8)

    def test_onlyWhatResolvesIsPassedOn(self) -> None:
        """
        The process that fetches gets the settings by which names are looked up, but neither lists and views nor secrets.
        """
        self.start(upstream="192.0.2.53", block="more.example", cookieSecret="", view={"name": "a", "clients": ["192.0.2.1"]}, nsid="x")
        self.wait(0)
        self.assertEqual(self.children.fetching[0][0]["settings"], {"upstream": ["udp:192.0.2.53:53"]})


class FailureTests(FetchedCase):
    """
    Tests of lists that do not arrive, or should not be used.
    """

    def copySaid(self, seconds: float = 0.0) -> str:
        """
        Return what is said of a copy that was fetched then.
        """
        return strftime("%Y-%m-%d %H:%M", localtime(BEGUN + seconds))

    def test_failures(self) -> None:
        """
        After a failure the copy stays in force, and the next attempts are made after ten minutes, twenty and so on, up to the usual time.
        """
        made = self.start()
        self.wait(0)
        self.end(failed="lists.example: it replied with the status 503")
        text = "list ads: lists.example: it replied with the status 503; there is no copy of it; next attempt in 10 min"
        self.assertEqual([each for each in self.logged if "list ads" in each], [text])
        self.assertEqual(made.figures(), {"blockLists": 1, "blockNames": 0, "blockListsWrong": 1})
        self.wait(599)
        self.assertEqual(self.children.fetching, [])
        self.wait(1)
        self.arrive("ads.example\n")
        self.assertEqual(made.figures(), {"blockLists": 1, "blockNames": 1, "blockListsWrong": 0})
        samples = made.samples()
        self.assertEqual((samples["blockListNames"], samples["blockListFailing"]), ({"ads": 1}, {"ads": 0.0}))
        self.assertEqual([*samples["blockListFetched"]], ["ads"])
        since = self.clock.seconds()
        self.wait(_DAY)
        for minutes in (10, 20, 40, 80, 160, 320, 640, 1280, 1440, 1440):
            self.assertEqual(len(self.children.fetching), 1)
            self.end(failed="x")
            self.wait(minutes * 60 - 1)
            self.assertEqual(self.children.fetching, [])
            self.wait(1)
        self.assertTrue(self.blocks("ads.example"))
        kept = f"the copy of {self.copySaid(since)} (1 rule) stays in force"
        self.assertIn(f"list ads: x; {kept}; next attempt in 10 min", self.logged)

    def test_shrunkList(self) -> None:
        """
        A list that has lost more than half of its rules is not used unless the operator wants it.
        """
        made = self.start()
        self.wait(0)
        self.arrive("".join([f"{number}.example\n" for number in range(1000)]))
        self.wait(_DAY)
        self.arrive("0.example\n" * 499)
        self.assertTrue(self.blocks("999.example"))
        text = "has 499 rules instead of 1,000, less than half; to use it: txdns control lists accept ads"
        kept = f"the copy of {self.copySaid()} (1,000 rules) stays in force"
        self.assertIn(f"list ads: {text}; {kept}; next attempt in 1 d", self.logged)
        self.assertEqual(len(os.listdir(self.state / "lists")), 2)
        said = made.facts()["blocking"]
        assert isinstance(said, dict) and isinstance(said["said"], list)
        self.assertIn(f"{text}; next attempt in 1 d", str(said["said"][1]))
        made.fetch("ads", True)
        self.wait(0)
        self.assertEqual(self.children.fetching[0][0]["etag"], "")
        self.arrive("0.example\n" * 499)
        self.assertFalse(self.blocks("999.example"))
        self.wait(_DAY)
        self.arrive("0.example\n" * 250)
        self.assertEqual(made.figures()["blockListsWrong"], 0)

    def test_shrunkShortList(self) -> None:
        """
        That holds for short lists too.
        """
        self.start()
        self.wait(0)
        self.arrive("a.example\nb.example\nc.example\n")
        self.wait(_DAY)
        self.arrive("a.example\n")
        self.assertTrue(self.blocks("c.example"))
        self.assertTrue(any("has 1 rule instead of 3, less than half" in line for line in self.logged))

    def test_withoutTheGuard(self) -> None:
        """
        It is the guard that keeps a list that has lost most of its rules out.
        """
        self.patch(downloads, "_LEAST", 0.0)
        self.start()
        self.wait(0)
        self.arrive("".join([f"{number}.example\n" for number in range(1000)]))
        self.wait(_DAY)
        self.arrive("0.example\n")
        self.assertFalse(self.blocks("999.example"))

    def test_damagedCopy(self) -> None:
        """
        A copy that is not what was fetched is not read: the list keeps its rules, and is fetched again, even if the server has the same.
        """
        self.start()
        self.wait(0)
        self.arrive("ads.example\n", '"a"')
        (copy,) = (self.state / "lists").glob("*.list")
        copy.write_text("evil.example\n")
        self.start()
        self.children.finish()
        self.assertEqual((self.blocks("ads.example"), self.blocks("evil.example")), (True, False))
        self.assertIn("block list ads (https://lists.example): is not what was fetched; it keeps its former 1 name", self.logged)
        self.wait(600)
        self.assertEqual(self.children.fetching[0][0]["etag"], "")
        self.arrive("ads.example\n", '"a"')
        self.assertTrue(self.blocks("ads.example"))
        self.assertEqual(copy.read_text(), "ads.example\n")

    def test_damagedCopyWhilePublisherIsDown(self) -> None:
        """
        While the publisher of a list with a damaged copy is down, changes of other lists do not lead to further attempts before their time.
        """
        lists = {"lists": "ads", "blockList": str(self.list)}
        self.start(**lists)
        self.children.finish()
        self.wait(0)
        self.arrive("fetched.example\n", '"a"')
        (copy,) = (self.state / "lists").glob("*.list")
        copy.write_text("evil.example\n")
        self.wait(_HOUR)
        self.start(**lists)
        self.children.finish()
        self.wait(0)
        self.assertEqual(len(self.children.fetching), 1)
        for minutes in (10, 20, 40):
            self.end(failed="x")
            for number in range(3):
                self.list.write_text(f"{minutes}.{number}.example\n")
                self.wait(30)
                self.wait(30)
                self.children.finish()
                self.assertTrue(self.blocks(f"{minutes}.{number}.example"))
                self.wait(0)
                self.assertEqual(self.children.fetching, [])
            self.wait((minutes - 3) * 60 - 1)
            self.assertEqual(self.children.fetching, [])
            self.wait(1)
            self.assertEqual(len(self.children.fetching), 1)

    def test_everyAfterFailures(self) -> None:
        """
        A list that may be fetched more often than once a day is tried again as often when it has failed many times.
        """
        self.start(list={"name": "ads", "url": URL, "every": "1h"})
        self.wait(0)
        for minutes in (10, 20, 40, 60, 60, 60):
            self.end(failed="x")
            self.wait(minutes * 60 - 1)
            self.assertEqual(self.children.fetching, [])
            self.wait(1)
            self.assertEqual(len(self.children.fetching), 1)

    def test_listThatCannotBeReadIsNotFetchedAgain(self) -> None:
        """
        A list that is whole and cannot be used for another reason is not fetched before its time: its publisher can do nothing about it.
        """
        self.start()
        self.wait(0)
        with patch.object(BLOCK_NAMES, "default", 1):
            self.arrive("ads.example\nmore.example\n")
        self.assertIn("has more names than fit", self.logged[-1])
        for _ in range(10):
            self.wait(60)
        self.assertEqual(self.children.fetching, [])

    def test_diskThatDamagesCopies(self) -> None:
        """
        A copy that is damaged as soon as it is written is fetched again after ten minutes, not at once.
        """
        self.start()
        self.wait(0)
        with patch.object(self.children, "finish", lambda: None):
            self.arrive("ads.example\n")
        (copy,) = (self.state / "lists").glob("*.list")
        copy.write_text("evil.example\n")
        self.children.finish()
        self.wait(599)
        self.assertEqual(self.children.fetching, [])
        self.wait(1)
        self.assertEqual(len(self.children.fetching), 1)

    def test_descriptionThatCannotBeWritten(self) -> None:
        """
        A copy whose description cannot be written is not used: the former one stays in force, and stays there for the next start.
        """
        made = self.start()
        self.wait(0)
        self.arrive("ads.example\n")
        self.wait(_DAY)
        with patch("twisted_ext.server.features.blocking.copies.replacingFile", side_effect=OSError(28, "No space left on device")):
            self.arrive("more.example\n")
        self.assertIn("its copy cannot be kept: No space left on device; the copy of", self.logged[-1])
        made.look()
        made.look()
        self.assertEqual((self.children.started, self.blocks("ads.example")), ([], True))
        self.start()
        self.assertTrue(self.blocks("ads.example"))
        self.assertEqual(len(list((self.state / "lists").glob("*.list"))), 1)

    def test_oneListDoesNotEmptyOthers(self) -> None:
        """
        Lists that cannot be fetched leave the others in force.
        """
        self.start(list=[f"ads={URL}", "more=https://more.example/"], lists=["ads", "more"], blockList=str(self.list))
        self.children.finish()
        self.wait(0)
        self.end(failed="x")
        self.arrive("b.example\n")
        self.assertEqual((self.blocks("ads.example"), self.blocks("b.example")), (True, True))

    def test_processThatFails(self) -> None:
        """
        A process that cannot be started, or writes something else, counts as a failure.
        """
        self.start()
        with patch.object(downloads, "runModule", side_effect=OSError("out of memory")):
            self.wait(0)
        self.wait(600)
        self.children.fetching.pop()[1].errback(OSError("a child process ended without a result: killed"))
        self.wait(1200)
        self.children.fetching.pop()[1].callback(b"[]")
        said = ["out of memory", "a child process ended without a result: killed", "the process that fetches it has written something else"]
        lines = [each for each in self.logged if each.startswith("list ads: ")]
        self.assertTrue(all(part in line for part, line in zip(said, lines, strict=True)), lines)

    def test_unchangedWithoutCopy(self) -> None:
        """
        A server that says that nothing has changed, while there is no copy, has failed.
        """
        self.start()
        self.wait(0)
        self.end(changed=False)
        self.assertIn("list ads: the server says that it has not changed, but there is no copy of it", self.logged[-1])

    def test_damagedDescription(self) -> None:
        """
        A description that cannot be read is as none: the list is fetched.
        """
        elsewhere = {"url": URL, "digest": "../../x", "octets": 1, "rules": 1, "etag": "", "modified": "", "fetched": 1}
        for text in ("{", "[]", "{}", '{"url": 3}', json.dumps(elsewhere)):
            (self.state / "lists").mkdir(parents=True, exist_ok=True)
            (self.state / "lists" / "ads.json").write_text(text)
            self.start()
            self.wait(0)
            self.assertEqual(self.children.fetching.pop()[0]["etag"], "")

    def test_folderThatCannotBeMade(self) -> None:
        """
        A state folder in which copies cannot be written is named in the log.
        """
        self.state.write_bytes(b"")
        self.start()
        self.wait(0)
        self.assertIn("list ads: its copy cannot be written: Not a directory; there is no copy of it", self.logged[-1])

    def test_fullDisk(self) -> None:
        """
        A copy that cannot be kept leaves the former one in force.
        """
        self.start()
        self.wait(0)
        self.arrive("ads.example\n")
        self.wait(_DAY)
        with patch("twisted_ext.server.features.blocking.copies.os.replace", side_effect=OSError(28, "No space left on device")):
            self.arrive("more.example\n")
        self.assertTrue(self.blocks("ads.example"))
        self.assertIn("list ads: its copy cannot be kept: No space left on device; the copy of", self.logged[-1])


class CommandTests(FetchedCase):
    """
    Tests of what operators see and do.
    """

    def test_status(self) -> None:
        """
        The status has when each list was fetched, and when it will be again; a key in the URL is not shown.
        """
        made = self.start()
        self.wait(0)

        def said() -> list[JSON]:
            facts = made.facts()["blocking"]
            assert isinstance(facts, dict) and isinstance(facts["said"], list)
            return facts["said"]

        self.assertEqual(said(), ["blocking: 0 names", "  ads (https://lists.example): not fetched yet, being fetched"])
        self.arrive("ads.example\n")
        self.wait(6 * _HOUR)
        fetched = strftime("%Y-%m-%d %H:%M", localtime(BEGUN))
        self.assertEqual(said(), ["blocking: 1 name", f"  ads (https://lists.example): 1 name; fetched {fetched}, next in 18 h"])
        self.assertNotIn("hunter2", "".join([*map(str, said()), *self.logged]))

    def test_fetch(self) -> None:
        """
        A list is fetched when the operator says so; one that there is not is an error.
        """
        made = self.start()
        self.wait(0)
        self.arrive("ads.example\n")
        self.assertEqual(made.fetch("ads", False), {"said": ["list ads: it is to be fetched; txdns control status shows what came of it"]})
        self.wait(1)
        self.assertEqual(len(self.children.fetching), 1)
        with pytest.raises(CallerFault, match="^there is no list adds that is fetched; did you mean ads[?]$"):
            made.fetch("adds", False)
        made.apply(Settings.of())
        with pytest.raises(CallerFault, match="^there is no list ads that is fetched; no list has a URL$"):
            made.fetch("ads", False)
