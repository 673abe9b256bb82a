"""
Tests of the webhook.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
from twisted.internet.defer import Deferred
from twisted.logger import globalLogPublisher

from tests.apps.robot.robots import Stage
from tests.server.operations.seeing import Peer, Response, talk
from tests.typed import observing
from twisted_ext.apps.robot.commands import Call, Effect, Rest, command, hears
from twisted_ext.apps.robot.events import Message
from twisted_ext.apps.robot.fronts.pages import Pages, Webhook, WebSettings
from twisted_ext.apps.robot.limits import CALL_SECONDS, HOOK_LINES, HOOK_OCTETS
from twisted_ext.apps.robot.people import Mask, Place
from twisted_ext.apps.robot.plugin import RobotPlugin
from twisted_ext.apps.robot.text import Said
from twisted_ext.web.http.publichttp import PublicSite

__all__: list[str] = []

TOKENS = {"slack": "0123456789abcdef", "teams": "fedcba9876543210"}


class Probe(RobotPlugin):
    """
    Replies at once, later, or not at all.
    """

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[Message] = []
        self.waiting: list[Deferred[Said]] = []

    @command()
    async def echo(self, call: Call, text: Rest) -> Said:
        return str(text)

    @command()
    async def wait(self, call: Call) -> Said:
        self.waiting.append(Deferred())
        return await self.waiting[-1]

    @command()
    async def count(self, call: Call, number: int) -> Said:
        return [str(each) for each in range(number)]

    @command()
    async def flood(self, call: Call) -> Said:
        for _ in range(1000):
            call.say("flood")
        return None

    @command(Effect.WRITES)
    async def write(self, call: Call) -> Said:
        return "written"

    @hears(Message)
    def hear(self, message: Message) -> None:
        self.heard.append(message)


class Hook:
    """
    A robot with a webhook.
    """

    def __init__(self, stage: Stage, probe: Probe) -> None:
        self.stage = stage
        self.probe = probe
        self.front = Webhook(stage.robot, TOKENS)
        stage.robot.join(self.front)
        pages = Pages(stage.robot, WebSettings({"listen": "127.0.0.1:80"}))
        pages.add("hook", "", self.front)
        self.site: PublicSite = pages.site()
        # Turns take no time: the next request need not wait.
        self.site._timer = stage.clock.seconds

    def post(self, text: str, person: str = "alice", token: str = TOKENS["slack"], **more: object) -> Response:
        """
        Send a message and return the response.
        """
        return self.send(json.dumps({"person": person, "text": text, **more}).encode(), token)

    def send(self, body: bytes, token: str = TOKENS["slack"], method: str = "POST") -> Response:
        return talk(self.site, self.stage.clock, "/hook", method, body, {"Authorization": f"Bearer {token}"} if token else {})

    def start(self, text: str, channel: str = "#dns") -> Peer:
        """
        Send a message whose reply comes later.
        """
        body = json.dumps({"person": "alice", "channel": channel, "text": text}).encode()
        peer = Peer(self.site, self.stage.clock)
        head = f"POST /hook HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKENS['slack']}\r\nContent-Length: {len(body)}\r\n\r\n"
        peer.say(head.encode() + body)
        return peer


@pytest.fixture
def hook(staged: Callable[..., Stage]) -> Iterator[Hook]:
    """
    Return a robot with a webhook.
    """
    probe = Probe()
    made = Hook(staged(probe, commands={"write": "friends"}), probe)
    yield made
    made.site.end()


def test_messageGetsItsReply(hook: Hook) -> None:
    """
    A private message is a command without a prefix, one in a channel has a prefix; the reply has the lines.
    """
    assert hook.post("echo hi there").json == {"lines": ["hi there"]}
    assert hook.post("!echo hi", channel="#dns").json == {"lines": ["hi"]}
    assert hook.post("robot: echo hi", channel="#dns").json == {"lines": ["hi"]}
    assert hook.post("good morning", channel="#dns").json == {"lines": []}
    assert hook.post("nonsense").json == {"lines": ["there is no command 'nonsense'; help lists them"]}
    assert hook.probe.heard[1].place == Place("webhook", "#dns")


def test_tokenIsRequired(hook: Hook) -> None:
    """
    Without a valid token no message is taken.
    """
    for token in ("", "0123456789abcde", "0123456789abcdef0", "slack", TOKENS["slack"].upper()):
        response = hook.send(b'{"person": "alice", "text": "echo hi"}', token)
        assert (response.code, response.headers["www-authenticate"]) == (401, "Bearer"), token
    assert hook.probe.heard == []


def test_personBelongsToItsToken(hook: Hook) -> None:
    """
    The token's name is the account and the user of the person: a mask can name everyone behind a token, or one person behind it.
    """
    hook.post("hello", "alice")
    hook.post("hello", "alice", TOKENS["teams"])
    slack, teams = [message.person for message in hook.probe.heard]
    for mask in ("webhook/account:slack", "webhook/alice!slack@*"):
        assert Mask(mask).matches(slack) and not Mask(mask).matches(teams)
    assert hook.post("write").json == {"lines": ["write takes the role friends"]}


@pytest.mark.parametrize("person", ["", "a!slack@webhook", "a b", "a/b", "*", "x" * 65, "a\nb", "a\x1bb", 5, None])
def test_wrongPersonIsRefused(hook: Hook, person: object) -> None:
    """
    The name of a person cannot imitate a mask or another line.
    """
    response = hook.send(json.dumps({"person": person, "text": "echo"}).encode())
    assert response.code == 400 and "the body takes" in str(response.json)


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b"[" * 10_000, b"1" * 10_000, b"\xff", b'{"person": "a"}', b'{"person":"a","channel":"dns","text":"x"}', b"null"],
)
def test_wrongBodyIsRefused(hook: Hook, body: bytes) -> None:
    """
    A body that is not a message is refused with one line of JSON.
    """
    response = hook.send(body)
    assert response.code == 400 and list(json.loads(response.body)) == ["error"]


def test_largeBodyIsRefused(hook: Hook) -> None:
    """
    A body above the limit is refused unread.
    """
    assert hook.send(b" " * (int(HOOK_OCTETS.default) + 1)).code == 413


def test_onlyPostIsTaken(hook: Hook) -> None:
    """
    Other methods are refused.
    """
    assert [hook.send(b"", method=method).code for method in ("GET", "PUT", "OPTIONS")] == [405, 405, 405]


def test_hostileTextIsOneLine(hook: Hook) -> None:
    """
    Line ends and halves of characters in a text do not reach plugins, and controls in a reply are escaped.
    """
    assert hook.post("echo a\r\nQUIT\u2028b \ud800 \x1b[31m").json == {"lines": ["a QUIT b ? \\x1b[31m"]}
    assert hook.probe.heard[0].text == "echo a QUIT b ? \x1b[31m"


def test_requestsOfOneChannelAreKeptApart(hook: Hook) -> None:
    """
    Each of two waiting requests from one channel gets its own reply.
    """
    first, second = hook.start("!wait"), hook.start("!wait")
    hook.stage.clock.advance(1)
    hook.probe.waiting[1].callback("two")
    hook.probe.waiting[0].callback("one")
    assert Response(first.heard).json == {"lines": ["one"]}
    assert Response(second.heard).json == {"lines": ["two"]}


def test_clientThatLeavesEndsItsCommand(hook: Hook) -> None:
    """
    The command of a client that disconnects is cancelled.
    """
    ended: list[object] = []
    peer = hook.start("!wait")
    hook.probe.waiting[0].addBoth(ended.append)
    peer.leave()
    assert len(ended) == 1


def test_slowCommandIsAnswered(hook: Hook) -> None:
    """
    A command that reaches its deadline is answered: the connection is kept for longer.
    """
    peer = hook.start("!wait")
    hook.stage.clock.pump([1.0] * (int(CALL_SECONDS.default) + 1))
    assert Response(peer.heard).json == {"lines": [f"this took longer than {CALL_SECONDS.default:g} s"]}


def test_longRepliesAreBounded(hook: Hook) -> None:
    """
    A long reply is cut, and the same person gets the rest with "more"; a plugin that says too much does not fill the memory.
    """
    most = int(HOOK_LINES.default)
    lines = json.loads(hook.post(f"count {most + 5}").body)["lines"]
    assert len(lines) == most and lines[-1].endswith("(5 more lines; say more)")
    assert len(json.loads(hook.post("more").body)["lines"]) == 5
    assert len(json.loads(hook.post("flood").body)["lines"]) <= 2 * most


def test_unaskedLineIsDropped(hook: Hook) -> None:
    """
    What the robot says without a request is dropped, and the log says so.
    """
    logged: list[str] = []
    observer = observing(lambda event: logged.append(str(event.get("log_format"))))
    globalLogPublisher.addObserver(observer)
    try:
        hook.stage.robot.say(Place("webhook", "#dns"), "news")
    finally:
        globalLogPublisher.removeObserver(observer)
    assert "{target} has no request to the webhook; a line for it is dropped" in logged
    assert list(hook.front.members("#dns")) == []
    assert not hook.front.isReady("#dns")
