"""
Tests of L{twisted_ext.apps.cli.query.formats}. L{tests.live} compares the text with that of C{dig}.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from io import StringIO

from twisted.trial.unittest import SynchronousTestCase

from tests.queries import parseQuery
from twisted_ext.apps.cli.query.formats import LookupOutcome, renderFault, renderJSON, renderShort, renderText
from twisted_ext.apps.cli.terminal.colors import paletteFor
from twisted_ext.drawing.palette import Palette
from twisted_ext.errors import TimedOut
from twisted_ext.testing.sources import questionOf, rrsetOf
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import AA, DO, QR, RA, RD
from twisted_ext.wire.message import EDNS, Message
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import CNAME, MX, TXT, A

WHEN = datetime(2026, 11, 20, 12, 0, 5, tzinfo=UTC)

PLAIN = Palette(False)


def replyOf(message: Message, name: str = "www.example.org", rrType: str = "A") -> LookupOutcome:
    """
    Return the message as a reply of a server.
    """
    read = Message.fromWire(buildMessage(message))
    return LookupOutcome(questionOf(name, rrType), read, source="udp", server="192.0.2.53:53", seconds=0.0123, when=WHEN)


def replyWithAlias(edns: EDNS | None = None) -> Message:
    """
    Return a reply with an alias and two addresses.
    """
    www = nameFromText("www.example.org")
    target = nameFromText("xn--bcher-kva.example.org")
    return Message(
        4711,
        QR | RD | RA | AA,
        (questionOf("www.example.org"),),
        (rrsetOf(www, CNAME, "xn--bcher-kva.example.org."), rrsetOf(target, A, ["192.0.2.1", "192.0.2.2"], 60)),
        edns=edns,
    )


class TextTests(SynchronousTestCase):
    """
    Tests for L{renderText}.
    """

    def text(self, message: Message, *words: str) -> str:
        """
        Return the text with these options.
        """
        options = parseQuery(["www.example.org", *words])
        return renderText(replyOf(message), options.flags, PLAIN, "www.example.org")

    def test_textFollowsDig(self) -> None:
        """
        All parts have the order, the columns and the words of C{dig}.
        """
        self.assertEqual(
            self.text(replyWithAlias(EDNS(1232, DO, ((3, b"ns1"), (15, b"\x00\x16why"), (65001, b"\x01"))))),
            """
; <<>> txdns <<>> www.example.org
;; global options: +cmd
;; Got answer:
;; ->>HEADER<<- opcode: QUERY, status: NOERROR, id: 4711
;; flags: qr aa rd ra; QUERY: 1, ANSWER: 3, AUTHORITY: 0, ADDITIONAL: 1

;; OPT PSEUDOSECTION:
; EDNS: version: 0, flags: do; udp: 1232
; NSID: 6e 73 31 ("ns1")
; EDE: 22 (No Reachable Authority): (why)
; OPT=65001: 01 (".")
;; QUESTION SECTION:
;www.example.org.		IN	A

;; ANSWER SECTION:
www.example.org.	300	IN	CNAME	xn--bcher-kva.example.org.
xn--bcher-kva.example.org. 60	IN	A	192.0.2.1
xn--bcher-kva.example.org. 60	IN	A	192.0.2.2

;; Query time: 12 msec
;; SERVER: 192.0.2.53#53(192.0.2.53) (UDP)
;; WHEN: Fri Nov 20 12:00:05 UTC 2026
;; MSG SIZE  rcvd: 125

""",
        )

    def test_noallAnswerShowsRecordsOnly(self) -> None:
        """
        C{+noall +answer} shows the records only.
        """
        self.assertEqual(
            self.text(replyWithAlias(), "+noall", "+answer", "+nottlid", "+noclass").splitlines()[1],
            "xn--bcher-kva.example.org. A	192.0.2.1",
        )

    def test_idnoutShowsUnicode(self) -> None:
        """
        C{+idnout} shows names in their own script.
        """
        self.assertIn("bücher.example.org.	60	IN	A	192.0.2.1", self.text(replyWithAlias(), "+idnout"))
        self.assertIn("CNAME	bücher.example.org.", self.text(replyWithAlias(), "+idnout"))

    def test_missingRecursionIsPointedOut(self) -> None:
        """
        A server without recursion is pointed out.
        """
        message = Message(1, QR | RD, (questionOf("www.example.org"),))
        self.assertIn("WARNING: recursion requested but not available", self.text(message))

    def test_malformedOptionIsShownAsOctets(self) -> None:
        """
        A malformed EDNS option is shown as octets.
        """
        self.assertIn("; OPT=8: 00 09 (bad: ", self.text(replyWithAlias(EDNS(1232, 0, ((8, b"\x00\x09"),)))))

    def test_localAnswerNamesItsSource(self) -> None:
        """
        An answer that came in no message names its source.
        """
        reply = LookupOutcome(
            questionOf("a.example"), Message(0, QR), source="hosts", server="/etc/hosts", seconds=0, when=WHEN
        )
        text = renderText(reply, parseQuery(["a.example"]).flags, PLAIN)
        self.assertIn(";; SOURCE: hosts /etc/hosts\n", text)
        self.assertNotIn("MSG SIZE", text)

    def test_controlCharactersAreEscaped(self) -> None:
        """
        Control characters in any part of a reply are escaped in every format.
        """
        name = nameFromText("\\027[31m.example")
        message = Message(
            1,
            QR,
            (questionOf("a.example", "TXT"),),
            (rrsetOf(name, TXT, '"\\027[2J"'),),
            edns=EDNS(1232, 0, ((15, b"\x00\x00\xc2\x9b2J\x1b[2J\x07"), (3, b"\x1b"), (65001, b"\x1b[2J"))),
        )
        reply = replyOf(message)
        for text in (
            renderText(reply, parseQuery(["a.example", "+idnout"]).flags, PLAIN),
            renderShort(reply, parseQuery(["a.example", "+idnout"]).flags),
            renderJSON(reply),
        ):
            controls = [each for each in text if (ord(each) < 32 or 126 < ord(each) < 160) and each not in "\n\t"]
            self.assertEqual(controls, [], text)


class ShortTests(SynchronousTestCase):
    """
    Tests for L{renderShort}.
    """

    def test_shortShowsDataOnly(self) -> None:
        """
        C{+short} shows the data only, one record a line, aliases included.
        """
        self.assertEqual(renderShort(replyOf(replyWithAlias()), parseQuery([]).flags), "xn--bcher-kva.example.org.\n192.0.2.1\n192.0.2.2\n")

    def test_identifyNamesTheServer(self) -> None:
        """
        C{+identify} names the server on each line.
        """
        message = Message(1, QR, (), (rrsetOf(nameFromText("example.org"), MX, "10 mail.example.org."),))
        self.assertEqual(
            renderShort(replyOf(message), parseQuery(["+identify"]).flags), "10 mail.example.org. from server 192.0.2.53 in 12 ms.\n"
        )


class JSONTests(SynchronousTestCase):
    """
    Tests for L{renderJSON}.
    """

    def test_objectHasTheDocumentedShape(self) -> None:
        """
        C{+json} gives one line with one object of the documented shape.
        """
        text = renderJSON(replyOf(replyWithAlias(EDNS(1232, 0, ((15, b"\x00\x16why"),)))))
        self.assertEqual(text.count("\n"), 1)
        self.assertEqual(
            json.loads(text),
            {
                "question": {"name": "www.example.org.", "type": "A", "class": "IN"},
                "id": 4711,
                "opcode": "QUERY",
                "rcode": "NOERROR",
                "flags": ["qr", "aa", "rd", "ra"],
                "answer": [
                    {"name": "www.example.org.", "ttl": 300, "class": "IN", "type": "CNAME", "data": "xn--bcher-kva.example.org."},
                    {"name": "xn--bcher-kva.example.org.", "ttl": 60, "class": "IN", "type": "A", "data": "192.0.2.1"},
                    {"name": "xn--bcher-kva.example.org.", "ttl": 60, "class": "IN", "type": "A", "data": "192.0.2.2"},
                ],
                "authority": [],
                "additional": [],
                "edns": {
                    "version": 0,
                    "flags": [],
                    "payloadSize": 1232,
                    "options": [{"code": 15, "name": "EDE", "value": "22 (No Reachable Authority): (why)"}],
                },
                "errors": [{"code": 22, "name": "No Reachable Authority", "text": "why"}],
                "source": "udp",
                "server": "192.0.2.53:53",
                "milliseconds": 12.3,
                "size": 113,
                "when": "2026-11-20T12:00:05+00:00",
                "tls": None,
            },
        )

    def test_failureIsAnObject(self) -> None:
        """
        A failed look-up is an object with the reason.
        """
        text = renderFault(questionOf("www.example.org"), TimedOut("too slow", server="192.0.2.53:53", attempts=3))
        self.assertEqual(
            json.loads(text),
            {
                "question": {"name": "www.example.org.", "type": "A", "class": "IN"},
                "error": "too slow",
                "kind": "TimedOut",
                "server": "192.0.2.53:53",
                "attempts": 3,
            },
        )


class Screen(StringIO):
    """
    A file that claims to be a terminal.
    """

    def isatty(self) -> bool:
        return True


class ColorTests(SynchronousTestCase):
    """
    Tests for L{paletteFor}.
    """

    def test_colorsOnTerminalsOnly(self) -> None:
        """
        Colors appear on a terminal only, not with C{NO_COLOR} or a dumb terminal, and always on request.
        """
        screen, file = Screen(), StringIO()
        self.assertTrue(paletteFor(screen, None, {}).on)
        self.assertFalse(paletteFor(file, None, {}).on)
        self.assertFalse(paletteFor(screen, None, {"NO_COLOR": "1"}).on)
        self.assertFalse(paletteFor(screen, None, {"TERM": "dumb"}).on)
        self.assertTrue(paletteFor(screen, True, {"NO_COLOR": "1"}).on)
        self.assertTrue(paletteFor(file, True, {}).on)

    def test_colorsDoNotChangeText(self) -> None:
        """
        Colors only surround the text.
        """
        options = parseQuery(["www.example.org"])
        colored = renderText(replyOf(replyWithAlias()), options.flags, Palette(True))
        plain = renderText(replyOf(replyWithAlias()), options.flags, PLAIN)
        import re

        self.assertNotIn("\x1b", plain)
        self.assertEqual(re.sub("\x1b\\[[0-9;]*m", "", colored), plain)
