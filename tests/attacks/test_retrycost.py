"""
Attack 35, its cost: a zone whose answers are all bogus has its servers asked one after the other, and what is cached of it is removed
each time.
"""

from __future__ import annotations

from collections.abc import Iterable
from unittest.mock import patch

from tests.attacks.validated import ValidatedTestCase
from twisted_ext.answers import QueryContext
from twisted_ext.cache.store import Store
from twisted_ext.errors import TrustFault
from twisted_ext.resolver.caching.cached import CachedSource
from twisted_ext.testing.internet import Fault
from twisted_ext.wire.message import Question


def _flushing(source: CachedSource, questions: Iterable[Question], context: QueryContext) -> None:
    for question in questions:
        source.flush(question.key[:-4])


class RetryTests(ValidatedTestCase):
    """
    Tests with a zone whose signatures have expired.
    """

    def searched(self) -> int:
        """
        Look up a bogus name, and return how often a whole cache was searched.
        """
        self.beginAnew()
        self.evil("www 300 A 192.0.2.66")
        self.internet.inject(Fault.EXPIRED, "evil.test")
        count = 0

        def mentioning(store: Store, name: bytes) -> list[bytes]:
            nonlocal count
            count += 1
            return real(store, name)

        real = Store._mentioning
        resolver = self.resolver()
        with patch.object(Store, "_mentioning", mentioning):
            self.assertIsInstance(resolver.fault("www.evil.test"), TrustFault)
        return count

    def test_retriesDoNotSearchTheCache(self) -> None:
        """
        The cache, which may have a hundred thousand entries, is not searched. If what is removed were looked for, it would be for each
        server and each label.
        """
        self.assertEqual(self.searched(), 0)
        with patch.object(CachedSource, "forget", _flushing):
            self.assertGreater(self.searched(), 8)
