"""
Attack 23: answers with so many different names that compressing them costs more than anything else (CVE-2024-8508, CVE-2026-44390).
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.wire.counting import CountingDict
from twisted_ext.limits import NAMES_COMPRESSED
from twisted_ext.testing.sources import questionOf
from twisted_ext.wire import builder
from twisted_ext.wire.builder import Writer, buildMessage
from twisted_ext.wire.message import Message
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.records import RRSet

#: Different names, and labels of each.
NAMES, LABELS = 4000, 60


class Counting(Writer):
    """
    Writes with that.
    """

    def __init__(self, start: bytes) -> None:
        super().__init__(start)
        self._offsets = CountingDict()


def longNames() -> list[bytes]:
    """
    @return: names that have nothing in common.
    """
    return [nameFromText(".".join([f"{number:x}"] + ["a"] * (LABELS - 2) + [f"{number:x}"])) for number in range(NAMES)]


class EncodingTests(SynchronousTestCase):
    """
    Messages with thousands of names.
    """

    def setUp(self) -> None:
        self.patch(builder, "Writer", Counting)
        names = longNames()
        hosts = RRSet(nameFromText("victim.test"), 2, 1, 60, tuple(names))
        glue = tuple([RRSet(name, 1, 1, 60, (bytes(4),)) for name in names])
        #: Sets that are tried one after the other, the many that do not fit as well, and one that is long by itself.
        self.sections: tuple[tuple[tuple[RRSet, ...], tuple[RRSet, ...]], ...] = (((), glue), ((hosts,), ()))

    def cost(self, answer: tuple[RRSet, ...], additional: tuple[RRSet, ...], size: int) -> int:
        """
        @return: how many ends of names are looked up.
        """
        CountingDict.asked = 0
        question = questionOf("victim.test")
        wire = buildMessage(Message(0, 0x8180, (question,), answer, (), additional), size)
        self.assertLessEqual(len(wire), size)
        self.assertEqual(Message.fromWire(wire).check().questions, (question,))
        return CountingDict.asked

    def test_attack23(self) -> None:
        """
        But for the first hundred and twenty names, each takes two look-ups at most, however many labels it has and whether it fits or not.
        Without that bound each takes one for every label.
        """
        most = int(NAMES_COMPRESSED.default)
        for defended in (True, False):
            if not defended:
                self.patch(builder, "_MOST_NAMES", 1 << 30)
            for answer, additional in self.sections:
                for size in (1232, 65535):
                    cost = self.cost(answer, additional, size)
                    if defended:
                        self.assertLessEqual(cost, 2 * NAMES + most * LABELS + 20)
                    elif additional:
                        self.assertGreater(cost, NAMES * LABELS)
                    else:
                        # What does not fit ends the message.
                        self.assertGreaterEqual(cost, LABELS * size // (3 * LABELS))
