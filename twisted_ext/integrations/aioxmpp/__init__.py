"""
The functions of C{aioxmpp.network} with this package's resolver: returning Deferreds here, see
L{twisted_ext.integrations.aioxmpp.deferreds}; as coroutines with aioxmpp's names in L{twisted_ext.integrations.aioxmpp.asyncio}.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_ext.lazy import lazyNames

if TYPE_CHECKING:
    from twisted_ext.integrations.aioxmpp.deferreds import (
        ValidationError,
        findXmppHostAddr,
        getResolver,
        groupAndOrderSrvRecords,
        lookupSrv,
        lookupTlsa,
        reconfigureResolver,
        repeatedQuery,
        setResolver,
    )

__all__ = [
    "ValidationError",
    "findXmppHostAddr",
    "getResolver",
    "groupAndOrderSrvRecords",
    "lookupSrv",
    "lookupTlsa",
    "reconfigureResolver",
    "repeatedQuery",
    "setResolver",
]

__getattr__, __dir__ = lazyNames(__name__, {"twisted_ext.integrations.aioxmpp.deferreds": __all__})
