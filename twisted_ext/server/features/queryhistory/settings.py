"""
The settings of the history of queries.
"""

from __future__ import annotations

from twisted_ext.server.config import types
from twisted_ext.server.config.setting import Section, number, octets, setting
from twisted_ext.server.limits import HISTORY_DAYS, HISTORY_OCTETS

__all__ = ["QueryHistorySettings"]


class QueryHistorySettings(Section):
    queryHistory: bool = setting(
        types.FLAG,
        False,
        "Keep what clients ask, with the answers' rcodes and the rules that decided, in the folder history of state, for txdns log",
        group="Monitoring",
        inView=True,
        atRunTime=True,
    )
    queryHistoryDays: int = number(HISTORY_DAYS, "Days for which it is kept", unit="days", atRunTime=True)
    queryHistorySize: int = octets(HISTORY_OCTETS, "Octets that it takes at most; the oldest queries go first")
    queryHistoryClients: str = setting(
        types.HISTORY_CLIENTS,
        "full",
        "How clients are kept: full addresses, network (/24 and /56), hash (the same for the same client, until the key in the folder is "
        "removed), or none",
        atRunTime=True,
    )
    queryHistorySkip: tuple[str, ...] = setting(
        types.NAME, (), "Keep no queries for this domain and all names below it", atRunTime=True
    )
