"""
Tests of clients that are classified again.
"""

from __future__ import annotations

from socket import AF_INET, AF_INET6, inet_pton

from twisted_ext.packetcache.clients import Client, Clients, Group
from twisted_ext.packetcache.doors import Door


def test_forgottenInEachForm() -> None:
    """
    A client is forgotten in all forms in which sockets report its address, and no other one is.
    """
    asked: list[str] = []
    group = Group("allowed")

    def classify(address: str, now: float, door: Door) -> Client:
        asked.append(address)
        return Client(address, group)

    clients = Clients(classify)
    forms: list[str | bytes] = ["192.0.2.1", inet_pton(AF_INET, "192.0.2.1"), "::ffff:192.0.2.1", inet_pton(AF_INET6, "::ffff:192.0.2.1")]
    others: list[str | bytes] = ["192.0.2.2", "fd00::1", inet_pton(AF_INET6, "fd00::1")]
    for each in (*forms, *others):
        clients.find(each, 0.0)
    asked.clear()
    clients.forget("192.0.2.1")
    assert [clients.known(each) is None for each in (*forms, *others)] == [True] * 4 + [False] * 3
    for each in (*forms, *others):
        clients.find(each, 0.0)
    assert len(asked) == 4
    clients.forget("fd00::1")
    assert [clients.known(each) is None for each in others] == [False, True, True]


def test_forgottenAmongTheOlder() -> None:
    """
    Clients that were not seen lately are forgotten as well.
    """
    made: list[str] = []
    group = Group("allowed")

    def classify(address: str, now: float, door: Door) -> Client:
        made.append(address)
        return Client(address, group)

    clients = Clients(classify, 16)
    for number in range(12):
        clients.find(f"192.0.2.{number}", 0.0)
    made.clear()
    clients.forget("192.0.2.0")
    clients.find("192.0.2.0", 0.0)
    assert made == ["192.0.2.0"]
