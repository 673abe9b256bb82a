"""
Tests of hooks that decide about answers.
"""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred

from tests.resolver.policy.hooks.test_called import HookCase
from twisted_ext.answers import Answer, Outcome, Security
from twisted_ext.errors import CallerFault, ServerFailed, Withheld
from twisted_ext.hooks import DROP, PASS, Answered, Hook, Verdict, answer, ask, nxdomain, refuse, upstream
from twisted_ext.hooks.answered import answeredFrom
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.policy.hooks.source import HookSource
from twisted_ext.resolver.sources import FailingSource
from twisted_ext.testing.sources import HeldSource, answerOf, questionOf, rrsetOf
from twisted_ext.wire.rrtypes import RRSIG


class AnswerHookTests(HookCase):
    """
    Tests for what a hook is told of an answer, and what becomes of its verdict.
    """

    def test_told(self) -> None:
        """
        It is told the records, and asked again about the same name only when these are others.
        """
        told: list[tuple[str, Answered]] = []

        def decide(name: str, answer: Answered) -> Verdict:
            told.append((name, answer))
            return nxdomain() if "192.0.2.66" in answer.addresses else PASS

        source = self.source(decide, keep=60)
        names = ("WWW.example", "www.EXAMPLE", "www.example")
        self.assertEqual([self.addressOf(self.ask(source, name)) for name in names], ["192.0.2.80"] * 3)
        self.assertEqual(told, [("www.example", Answered(0, ("A 192.0.2.80",), ("192.0.2.80",)))])
        self.inner.set("www.example", "A", "192.0.2.66")
        self.assertEqual([self.addressOf(self.ask(source)) for _ in range(3)], ["nxdomain"] * 3)
        self.assertEqual(len(told), 2)
        self.inner.set("none.example", "A", Answer(Outcome.NXDOMAIN, rcode=3))
        self.ask(source, "none.example")
        self.assertEqual(told[-1], ("none.example", Answered(3)))

    def test_passedStays(self) -> None:
        """
        An answer that passes is the very same, with its signatures and its security.
        """
        told: list[Answered] = []

        def decide(answer: Answered) -> Verdict:
            told.append(answer)
            return PASS

        given = answerOf(questionOf("www.example"), "192.0.2.80")
        signature = rrsetOf(given.answer[0].name, RRSIG, "A 8 2 60 20300101000000 20200101000000 1 example. AAAA")
        signed = given.having((*given.answer, signature))
        signed.security = Security.SECURE
        self.inner.set("www.example", "A", signed)
        source = self.source(decide)
        self.assertIs(self.successResultOf(self.ask(source)), signed)
        self.assertEqual(len(self.inner.questions), 1)
        self.assertEqual(told, [Answered(0, ("A 192.0.2.80",), ("192.0.2.80",), True)])
        self.assertIn(RRSIG, [each.rrType for each in signed.answer])
        # Without proof it is another answer, although the records are the same.
        unproved = signed.having(signed.answer)
        unproved.security = Security.INSECURE
        self.inner.set("www.example", "A", unproved)
        self.assertIs(self.successResultOf(self.ask(source)), unproved)
        self.assertEqual([each.isSecure for each in told], [True, False])

    def test_madeIsUnproved(self) -> None:
        """
        What takes the place of an answer has nothing of its proofs.
        """
        given = answerOf(questionOf("www.example"), "192.0.2.80")
        given.security = Security.SECURE
        self.inner.set("www.example", "A", given)
        found = self.successResultOf(self.ask(self.source(lambda answer: _moved())))
        self.assertEqual((found.security, [each.rdatas for each in found.answer]), (Security.INDETERMINATE, [(b"\xc0\x00\x02\x07",)]))

    def test_noAnswerNoHook(self) -> None:
        """
        Where there is no answer, as for data that is bogus, there is nothing to decide about.
        """

        def decide(answer: Answered) -> Verdict:
            raise AssertionError(answer)

        source = self.source(decide)
        failing = HookSource(FailingSource(lambda: ServerFailed("bogus")), self.called, self.clock)
        self.failureResultOf(lookUp(failing, questionOf("www.example"), self.context()), ServerFailed)
        self.assertEqual((self.called.calls, source.sources()), (0, (self.inner,)))

    def test_waits(self) -> None:
        """
        Both may wait: what is asked, and the hook behind it.
        """
        waits: Deferred[Verdict] = Deferred()
        held = HeldSource()
        source = self.source(lambda answer: waits, otherwise=refuse())
        behind = HookSource(held, self.called, self.clock)
        asked = lookUp(behind, questionOf("www.example"), self.context())
        self.assertNoResult(asked)
        held.release(answerOf(questionOf("www.example"), "192.0.2.80"))
        self.assertNoResult(asked)
        waits.callback(DROP)
        self.failureResultOf(asked, Withheld)
        waits = Deferred()
        asked = lookUp(behind, questionOf("www.example"), self.context())
        given = answerOf(questionOf("www.example"), "192.0.2.81")
        held.release(given)
        waits.callback(PASS)
        self.assertIs(self.successResultOf(asked), given)
        self.assertEqual((len(held.questions), source.sources()), (2, (self.inner,)))
        self.clock.advance(2)

    def test_shared(self) -> None:
        """
        The reply is for others as long as the verdict is kept, and for none if it is of one client.
        """
        for function, ends in ((lambda answer: PASS, 7.0), (lambda answer, client: PASS, 0.0), (lambda answer, network: PASS, 0.0)):
            context = self.context()
            self.successResultOf(lookUp(self.source(function, keep=7), questionOf("www.example"), context))
            self.assertEqual(context.ends, ends)

    def test_wrong(self) -> None:
        """
        There is nothing to ask any more.
        """
        for decide in (lambda answer: upstream("canary"), lambda answer: ask(self.inner)):
            self.failureResultOf(self.ask(self.source(decide, otherwise=refuse())), Withheld)
            self.assertIn("but there is an answer already", self.told[-1])


class WayTests(HookCase):
    """
    Tests of hooks that go by how a client comes in.
    """

    def test_wayAndKey(self) -> None:
        """
        A hook is told the transport and the key, its verdict is kept for each, and the reply is for no other client.
        """
        told: list[tuple[str, str]] = []

        def decide(transport: str, key: str) -> Verdict:
            told.append((transport, key))
            return refuse() if transport == "udp" else PASS

        source = self.source(decide, keep=60)
        for transport, key in (("udp", b""), ("tls", b""), ("tls", b"\x04Mine\x00"), ("udp", b""), ("tls", b"")):
            context = self.context()
            context.transport, context.keyName = transport, key
            asked = lookUp(source, questionOf("www.example"), context)
            if transport == "udp":
                self.failureResultOf(asked, Withheld)
            else:
                self.successResultOf(asked)
            self.assertEqual(context.ends, 0.0)
        self.assertEqual(told, [("udp", ""), ("tls", ""), ("tls", "mine")])


def _moved() -> Verdict:
    return answer("A 192.0.2.7")


@pytest.mark.parametrize("rcode", [0, 3])
def test_answeredFrom(rcode: int) -> None:
    made = answerOf(questionOf("www.example", "AAAA"), "2001:db8::1")
    made.rcode = rcode
    assert answeredFrom(made) == Answered(rcode, ("AAAA 2001:db8::1",), ("2001:db8::1",))


def _annotated(answer: Answer) -> Verdict:
    return PASS


def test_annotated() -> None:
    with pytest.raises(CallerFault, match="right is Answered of twisted_ext.hooks"):
        Hook(_annotated)
