"""
A test of asyncio code, with a server on a socket of this machine.
"""

import asyncio
import unittest

from twisted_ext.asyncio import asFuture, reactorFor, resolve
from twisted_ext.testing.servers import CannedServer


class MailTests(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.server = CannedServer({("example.com", "MX"): ["10 mail.example.com."]})
        # The reactor of the running loop: without it, nothing would read the server's sockets.
        where = self.server.listen(reactorFor(), 0, "127.0.0.1")
        self.resolver = f"udp:{where.label}"

    async def asyncTearDown(self):
        await asFuture(self.server.close())

    async def test_mail(self):
        found = await resolve("example.com", "MX", resolver=self.resolver)
        self.assertEqual(found.texts, ["10 mail.example.com."])

    async def test_silentServer(self):
        self.server.silent = True
        with self.assertRaises(TimeoutError):
            await asyncio.wait_for(resolve("example.com", "MX", resolver=self.resolver), 0.1)
