"""
Attack 23: answers with so many different names that their compression is the largest cost (CVE-2024-8508, CVE-2026-44390).
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
    A writer that counts look-ups of names.
    """

    def __init__(self, start: bytes) -> None:
        super().__init__(start)
        self._offsets = CountingDict()


def longNames() -> list[bytes]:
    """
    Return names that have no common ending.
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
        #: Many small sets, tried one after the other even when they do not fit, and one large set.
        self.sections: tuple[tuple[tuple[RRSet, ...], tuple[RRSet, ...]], ...] = (((), glue), ((hosts,), ()))

    def cost(self, answer: tuple[RRSet, ...], additional: tuple[RRSet, ...], size: int) -> int:
        """
        Return how many look-ups of name endings the message costs.
        """
        CountingDict.asked = 0
        question = questionOf("victim.test")
        wire = buildMessage(Message(0, 0x8180, (question,), answer, (), additional), size)
        self.assertLessEqual(len(wire), size)
        self.assertEqual(Message.fromWire(wire).check().questions, (question,))
        return CountingDict.asked

    def test_attack23_compressionIsLimited(self) -> None:
        """
        Beyond the first hundred and twenty names, each name costs two look-ups at most, with any number of labels and whether it fits or
        not. Without that limit each costs one for every label.
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
                        # A set that does not fit ends the message.
                        self.assertGreaterEqual(cost, LABELS * size // (3 * LABELS))
