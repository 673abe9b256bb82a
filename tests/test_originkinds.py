"""
The kinds of sources of answers.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.test_architecture import MODULES, sourceOf
from twisted_ext.answers import KINDS
from twisted_ext.transport.datagram import DatagramExchange
from twisted_ext.transport.https.exchange import HTTPSExchange
from twisted_ext.transport.quic.exchange import QuicExchange
from twisted_ext.transport.stream import StreamExchange
from twisted_ext.transport.tls.stream import TLSExchange

__all__: list[str] = []


def _written() -> Iterator[tuple[str, str]]:
    """
    Yield the kinds that modules write, with the modules.
    """
    for module, path in MODULES.items():
        for node in ast.walk(ast.parse(sourceOf(path))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Origin" and node.args:
                for each in ast.walk(node.args[0]):
                    if isinstance(each, ast.Constant) and isinstance(each.value, str) and each.value:
                        yield each.value, module


def test_eachKindIsInTheTable() -> None:
    """
    What a module calls the source of an answer is in the table, so that caches and logs know what it means.
    """
    written = dict(_written())
    assert len(written) > 10
    assert {kind: module for kind, module in written.items() if kind not in KINDS} == {}


def test_transportsAreUpstreams() -> None:
    """
    An answer that came over any transport is from upstream.
    """
    exchanges = (DatagramExchange, StreamExchange, TLSExchange, HTTPSExchange, QuicExchange)
    assert {each.kind for each in exchanges} == {kind for kind, means in KINDS.items() if means.upstream}
