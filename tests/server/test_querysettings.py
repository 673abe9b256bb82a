"""
Tests of the settings for queries to authoritative servers.
"""

from __future__ import annotations

from tests.server.sources.test_recursor import RecursingCase
from tests.server.stacks import reloadStack
from twisted_ext.answers import Security


class QuerySettingsTests(RecursingCase):
    """
    Tests for C{query-cookies} and C{mixed-case}.
    """

    def cookies(self) -> int:
        """
        Return how many queries had a cookie.
        """
        return len([each for each in self.internet.exchanges if each.query.edns is not None and each.query.edns.option(10)])

    def test_cookies(self) -> None:
        """
        Cookies are sent unless the setting says no, and a reload changes that.
        """
        stack = self.stack()
        self.assertIs(self.security(stack, "www.good.example"), Security.SECURE)
        self.assertEqual(self.cookies(), len(self.internet.exchanges))
        self.internet.exchanges.clear()
        reloadStack(stack, self.settings(queryCookies=False))
        self.assertIs(self.security(stack, "www.good.example"), Security.SECURE)
        self.assertTrue(self.internet.exchanges)
        self.assertEqual(self.cookies(), 0)

    def test_mixedCase(self) -> None:
        """
        Names are sent in mixed case if the setting says so.
        """
        for mixed in (False, True):
            self.internet.exchanges.clear()
            self.assertIs(self.security(self.stack(mixedCase=mixed), "www.good.example"), Security.SECURE)
            names = b"".join([each.query.questions[0].name for each in self.internet.exchanges])
            self.assertEqual(names != names.lower(), mixed)
