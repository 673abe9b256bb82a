"""
The webhook: other chat systems pass messages to the robot over HTTP, and get its reply as JSON.

C{POST /hook} with C{Authorization: Bearer TOKEN} and C{{"person": "alice", "channel": "#dns", "text": "!dig example.org"}} gets
C{{"lines": ["example.org. 3600 A 192.0.2.1"]}}. Without a channel, the person speaks to the robot in private.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from hmac import compare_digest
from typing import TYPE_CHECKING, Final, cast

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.web.server import Request
from zope.interface import implementer

from twisted_ext.apps.robot.events import Message
from twisted_ext.apps.robot.interfaces import IFront, Urgency
from twisted_ext.apps.robot.limits import HOOK_LINES
from twisted_ext.apps.robot.people import Person, Place
from twisted_ext.errors import CallerFault
from twisted_ext.metrics.figures import JSON
from twisted_ext.server.web.http import replyJSON, replyLater
from twisted_ext.server.web.website import Page

if TYPE_CHECKING:
    from twisted_ext.apps.robot.robot import Robot
    from twisted_ext.apps.robot.text import Line

__all__ = ["Webhook"]

_log: Final = Logger(__name__)

_NAME: Final = re.compile(r"[^\s!@/,*?\x00-\x20\x7f-\xa0]{1,64}")


class _Target(str):
    """
    The channel or person of one request. It carries the reply: several requests with the same target may be waiting.

    @ivar lines: the lines so far; L{None} once they are sent.
    """

    lines: list[str] | None


@implementer(IFront)
class Webhook(Page):
    """
    The page that takes messages. A person has the nick that the message gives, and the name of the token as user and account:
    C{webhook/alice!NAME@*} is one person behind a token, and C{webhook/account:NAME} is everyone behind it.
    """

    methods = ("POST",)
    name = "webhook"
    nick = "robot"
    most = int(HOOK_LINES.default)

    def __init__(self, robot: Robot, tokens: Mapping[str, str]) -> None:
        """
        @param tokens: by name.
        """
        super().__init__()
        self._tokens = {name: token.encode() for name, token in tokens.items()}
        self._robot = robot

    def show(self, request: Request) -> bytes | int:
        token = self._tokenOf(request)
        if not token:
            request.setHeader(b"WWW-Authenticate", b"Bearer")
            return replyJSON(request, {"error": "Authorization: Bearer with a valid token is missing"}, 401)
        return replyLater(request, lambda: self._receive(token, request.content.read()))

    def _tokenOf(self, request: Request) -> str:
        """
        Return the name of the token, or C{""} if it is not valid.
        """
        scheme, _, given = (request.getHeader(b"authorization") or b"").partition(b" ")
        # All of them, so that the time tells nothing.
        valid = [name for name, token in self._tokens.items() if compare_digest(token, given.strip())]
        return valid[0] if valid and scheme.lower() == b"bearer" else ""

    def _receive(self, token: str, body: bytes) -> Deferred[JSON]:
        try:
            found = json.loads(body)
        except (ValueError, RecursionError):
            raise CallerFault("the body is not JSON") from None
        said = found if isinstance(found, dict) else {}
        texts = {key: _text(said.get(key, "")) for key in ("person", "channel", "text")}
        channel = texts["channel"]
        if not texts["text"] or not _NAME.fullmatch(texts["person"]) or channel and not _NAME.fullmatch(channel.removeprefix("#")):
            raise CallerFault('the body takes {"person": NAME, "channel": "#NAME", "text": TEXT}; a private message has no channel')
        if channel and not channel.startswith("#"):
            raise CallerFault(f"{channel!r} is not a channel; the names of channels begin with #")
        target = _Target(channel or texts["person"])
        target.lines = []
        person = Person(self.name, texts["person"], token, self.name, token)
        receiving = self._robot.receive(Message(person, Place(self.name, target, not channel), texts["text"]))

        def reply(_: None) -> JSON:
            lines, target.lines = target.lines, None
            return {"lines": cast("JSON", lines)}

        return receiving.addCallback(reply)

    def send(self, target: str, lines: Sequence[Line], urgency: Urgency = Urgency.NOTICE) -> None:
        collected = target.lines if isinstance(target, _Target) else None
        if collected is None:
            _log.warn("{target} has no request to the webhook; a line for it is dropped", target=target)
        elif len(collected) < 2 * self.most:
            collected += [str(line) for line in lines]

    def members(self, channel: str) -> Sequence[str]:
        return ()

    def isReady(self, target: str) -> bool:
        return isinstance(target, _Target) and target.lines is not None


def _text(value: object) -> str:
    """
    Return a text in one line without characters that cannot be encoded; C{""} for what is none.
    """
    return " ".join(value.encode("utf-8", "replace").decode().splitlines()) if isinstance(value, str) else ""
