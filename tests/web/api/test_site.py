"""
Tests of L{twisted_ext.web.api.site.site}: who gets in, and what stands in the audit log.
"""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from unittest.mock import patch

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from tests.server.operations.seeing import Response, talk
from twisted_ext.errors import StorageFault
from twisted_ext.server.config import secretfiles
from twisted_ext.server.operations.audit import AuditLog
from twisted_ext.web.api.site import site as module
from twisted_ext.web.api.site.replies import ApiReply
from twisted_ext.web.api.site.site import ApiAsked, ApiDoor, apiSite
from twisted_ext.web.api.site.tokens import ApiTokens
from twisted_ext.web.http.attempts import FailedAttempts


class SiteTests(SynchronousTestCase):
    """
    A site with one door, which says what it was asked.
    """

    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        path = self.folder / "tokens"
        path.write_text(f'[[token]]\nname = "one"\nscope = "zones"\nsecret = "sha256${sha256(b"right").hexdigest()}"\n')
        path.chmod(0o600)
        self.clock = Clock()
        self.audit = AuditLog(str(self.folder / "state"))
        self.addCleanup(self.audit.stopService)
        tokens = ApiTokens(str(path), self.clock.seconds)
        doors: dict[tuple[str, ...], ApiDoor] = {("api",): self.door}
        today = self.clock.seconds
        self.site = apiSite(doors, tokens, self.clock, today, audit=self.audit, hosts=("dns.example",), timer=today)
        self.fault: Exception | None = None

    def door(self, asked: ApiAsked, /) -> Deferred[ApiReply]:
        if self.fault is not None:
            raise self.fault
        asked.told = {"zone": "example.org."}
        return succeed(ApiReply(body=[asked.method, *asked.segments, asked.client]))

    def ask(self, target: str = "/api/x", method: str = "GET", **headers: str) -> Response:
        given = {"X-API-Key": "right", **{name.replace("_", "-"): value for name, value in headers.items()}}
        return talk(self.site, self.clock, target, method, b"", given)

    def test_request(self) -> None:
        """
        A request with a token reaches the door that its path names, decoded.
        """
        reply = self.ask("/api/a%2fb/c")
        self.assertEqual((reply.code, reply.json), (200, ["GET", "a/b", "c", "127.0.0.1"]))
        self.assertEqual(reply.headers["content-type"], "application/json")
        self.assertEqual(self.ask("/other").code, 404)
        self.assertEqual(self.ask("/api/x?a=1&b=1").code, 200)
        reply = self.ask("/api/x?a=1&a=2")
        self.assertEqual((reply.code, reply.json), (400, {"error": "a is given more than once"}))

    def test_hosts(self) -> None:
        """
        The name of another site is refused, which a page of it could point here; addresses and names that are configured are not.
        """
        codes = [self.ask(Host=host).code for host in ("attacker.example", "127.0.0.1:8081", "[::1]", "dns.example", "DNS.example:8081")]
        self.assertEqual(codes, [421, 200, 200, 200, 200])
        with patch.object(module, "isOurs", lambda *_: True):
            self.assertEqual(self.ask(Host="attacker.example").code, 200)

    def test_guessing(self) -> None:
        """
        After ten wrong tokens a network waits for the rest of the minute before it may try another one. A client with a right one is let
        in: behind a proxy it has the same address as others.
        """
        for _ in range(10):
            self.assertEqual(self.ask(X_API_Key="wrong").code, 401)
        reply = self.ask(X_API_Key="wrong")
        self.assertEqual((reply.code, reply.headers["retry-after"], self.ask().code), (429, "60", 200))
        self.clock.advance(59)
        self.assertEqual(self.ask(X_API_Key="another").code, 429)
        self.clock.advance(1.1)
        self.assertEqual(self.ask(X_API_Key="another").code, 401)
        with patch.object(FailedAttempts, "waitFor", lambda *_: 0.0):
            self.assertEqual({self.ask(X_API_Key="wrong").code for _ in range(20)}, {401})

    def test_fileOfTokensIsBroken(self) -> None:
        """
        While the tokens cannot be read nobody gets in, and the log says why once, however many ask.
        """
        path = self.folder / "tokens"
        right = path.read_text()
        path.write_text("broken")
        with capturedLogs() as captured:
            self.assertEqual({self.ask().code for _ in range(20)}, {503})
        lines = [formatEvent(event) for event in captured if event["log_namespace"] == secretfiles.__name__]
        self.assertEqual(len(lines), 1)
        self.assertIn("no token is taken until it is mended", lines[0])
        path.write_text(right)
        self.assertEqual(self.ask().code, 200)
        path.write_text("broken")
        with capturedLogs() as captured:
            self.assertEqual(self.ask().code, 503)
        self.assertEqual(len([event for event in captured if event["log_namespace"] == secretfiles.__name__]), 1)

    def test_faults(self) -> None:
        """
        What goes wrong has a status of its own, and what nobody thought of says nothing of the inside.
        """
        for fault, code in ((StorageFault("no space"), 503), (ValueError("secret"), 500)):
            self.fault = fault
            reply = self.ask()
            self.assertEqual(reply.code, code)
            self.assertNotIn(b"secret", reply.body)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.assertIn("detail", json.loads(self.ask("/api/2/x").body))
        self.flushLoggedErrors(ValueError)

    def test_audit(self) -> None:
        """
        What changes something, or tries to, is noted with the name of the token, and never with its secret; what only reads is not.
        """
        self.ask()
        self.ask("/api/y", "PATCH")
        self.ask("/api/y", "PATCH", X_API_Key="wrong")
        self.fault = StorageFault("no space")
        self.ask("/api/y", "DELETE")
        texts = [Path(self.audit.path).with_name(name).read_text() for name in ("audit.jsonl", "refused.jsonl")]
        text = "".join(texts)
        self.assertEqual([each.count("\n") for each in texts], [2, 1])
        entries = [json.loads(line) for line in text.splitlines()]
        told = [(each["token"], each["from"], each["method"], each["status"], each.get("zone")) for each in entries]
        self.assertEqual(
            told,
            [
                ("one", "127.0.0.1", "PATCH", 200, "example.org."),
                ("one", "127.0.0.1", "DELETE", 503, None),
                (None, "127.0.0.1", "PATCH", 401, None),
            ],
        )
        self.assertNotIn("right", text)
        self.assertNotIn("wrong", text)

    def test_auditIsBounded(self) -> None:
        """
        The audit log takes no more than some files of a size.
        """
        with patch("twisted_ext.server.operations.audit._OCTETS", 1000):
            for _ in range(100):
                self.ask("/api/y", "PATCH")
        sizes = [path.stat().st_size for path in (self.folder / "state").iterdir()]
        self.assertEqual(len(sizes), 5)
        self.assertLessEqual(max(sizes), 1000)
