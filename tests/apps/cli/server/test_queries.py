"""
Tests of C{txdns control queries}.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from io import StringIO
from pathlib import Path

import pytest

from tests.apps.controlled import controlled
from twisted_ext.apps.cli.main import main
from twisted_ext.apps.cli.server.client import ControlChannel
from twisted_ext.apps.cli.server.special import watchQueries
from twisted_ext.apps.cli.terminal.exits import NO_REPLY, USAGE, ExitError
from twisted_ext.metrics.figures import JSON

#: Runs txdns from this checkout.
TXDNS = ["-c", "import sys; from twisted_ext.apps.cli.main import main; sys.exit(main())", "control"]


class CannedChannel(ControlChannel):
    """
    Gives these replies in turn; then the user presses Ctrl-C.

    @ivar asked: the number with each request.
    """

    def __init__(self, *replies: dict[str, JSON]) -> None:
        super().__init__("/nowhere")
        self.asked: list[str] = []
        self._replies = iter(replies)

    def ask(self, method: str, command: str, parameters: Mapping[str, str] = {}, body: object = None) -> dict[str, JSON]:
        assert (method, command) == ("GET", "queries")
        self.asked.append(parameters["after"])
        for reply in self._replies:
            return reply
        raise KeyboardInterrupt


def query(name: str = "www.example.", client: str = "192.0.2.7", **others: JSON) -> dict[str, JSON]:
    """
    Return a query as the server describes it.
    """
    known: dict[str, JSON] = {"number": 1, "time": 0.0, "client": client, "transport": "udp", "name": name, "type": "A", "rcode": "NOERROR"}
    return {**known, "status": "cached", "milliseconds": 0.0, "server": "", "count": 1, **others}


def reply(*queries: dict[str, JSON], number: int = 1, skipped: int = 0) -> dict[str, JSON]:
    """
    Return a reply of the server.
    """
    return {"shown": True, "queries": [*queries], "next": number, "skipped": skipped}


def shownBy(*replies: dict[str, JSON], words: tuple[str, ...] = (), json: bool = False) -> list[str]:
    """
    Return the lines that are printed for these replies.
    """
    stream = StringIO()
    watchQueries(CannedChannel(*replies), words, json=json, stream=stream, pause=lambda seconds: None)
    return stream.getvalue().splitlines()


def test_eachQueryIsALine() -> None:
    """
    Each query is one line, with control characters of its name escaped.
    """
    first = query("\x1b[2J.example.", milliseconds=18.34, status="forwarded", server="192.0.2.1:53")
    lines = shownBy(reply(first), reply(query(count=1200, rcode="NXDOMAIN", status="blocked", type="AAAA")))
    assert len(lines) == 2 and all(line.isprintable() for line in lines)
    assert lines[0][8:] == "  192.0.2.7        forwarded NOERROR       18.3 ms  A      \\x1b[2J.example. by 192.0.2.1:53"
    assert lines[1][8:] == "  192.0.2.7        blocked   NXDOMAIN     < 0.1 ms  AAAA   www.example. \u00d71,200"


def test_wordsSelectQueries() -> None:
    """
    Queries are shown that have each word in their name or client, or as their type, reply or status.
    """
    queries = [query(), query("ads.example.", "192.0.2.8", status="blocked"), query("mail.example.", "2001:db8::1", type="MX")]
    for words, names in (
        ((), ["www", "ads", "mail"]), (("EXAMPLE",), ["www", "ads", "mail"]), (("www",), ["www"]), (("192.0.2.",), ["www", "ads"]),
        (("192.0.2.", "Blocked"), ["ads"]), (("mx",), ["mail"]), (("2001:DB8",), ["mail"]), (("noerror", "ads"), ["ads"]),
        (("www", "ads"), []),
    ):  # fmt: skip
        found = shownBy(reply(*queries), words=words, json=True)
        assert [json.loads(line)["name"].partition(".")[0] for line in found] == names, words


def test_listGoesOnWhereItWas(capsys: pytest.CaptureFixture[str]) -> None:
    """
    Each request asks for what is new; queries that came too fast are reported, those from before the first request are not.
    """
    channel = CannedChannel(reply(number=4, skipped=1000), reply(number=9, skipped=1012), reply(number=9, skipped=1012), reply(number=2))
    watchQueries(channel, (), stream=StringIO(), pause=lambda seconds: None)
    assert channel.asked == ["0", "4", "9", "9", "2"]
    assert capsys.readouterr().err == "txdns: 12 more queries came too fast to show\n"


def test_serverThatShowsNone() -> None:
    """
    A server without C{show-clients} is reported with the setting to change, a reply of another version as such.
    """
    with pytest.raises(ExitError, match="show-clients = true") as declined:
        shownBy({"shown": False})
    assert declined.value.code == USAGE
    none: dict[str, JSON] = {"shown": True}
    for wrong in (none, reply({"name": "www."}), reply(query(time=None))):
        with pytest.raises(ExitError, match="another version") as failed:
            shownBy(wrong)
        assert failed.value.code == NO_REPLY


def test_liveUntilInterrupted(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """
    The command prints a server's queries as they come, and ends well at Ctrl-C; without a server it says so.
    """
    assert main(["control", "--socket", str(tmp_path / "none.sock"), "queries"]) == NO_REPLY
    with controlled(tmp_path) as server:
        words = ["--socket", str(server.path), "queries", "+json", "ads"]
        with subprocess.Popen([sys.executable, *TXDNS, *words], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            try:
                first = json.loads(process.stdout.readline())
                process.send_signal(signal.SIGINT)
                process.stdout.read()
                assert process.wait(20) == 0
            finally:
                process.kill()
    assert (first["name"], first["status"]) == ("ads.example.", "blocked")
