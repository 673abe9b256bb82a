"""
Converts policies of C{named.conf} for signing: C{dnssec-policy}.
"""

from __future__ import annotations

from typing import Final

from twisted_ext.apps.cli.convert.converted import Converted
from twisted_ext.apps.cli.convert.named.syntax import Statement
from twisted_ext.apps.cli.convert.named.times import secondsIn

__all__ = ["addPolicy"]

#: Algorithms of keys by the names and numbers that named knows them by.
_ALGORITHMS: Final = {
    "rsasha256": "rsasha256", "8": "rsasha256", "ecdsap256sha256": "ecdsap256sha256", "ecdsa256": "ecdsap256sha256",
    "13": "ecdsap256sha256", "ecdsap384sha384": "ecdsap384sha384", "ecdsa384": "ecdsap384sha384", "14": "ecdsap384sha384",
    "ed25519": "ed25519", "15": "ed25519", "ed448": "ed448", "16": "ed448",
}  # fmt: skip

#: Seconds for which signatures are valid in named, and for which one is left when it is made anew.
_VALID: Final = 14 * 86_400
_LEFT: Final = 5 * 86_400


def addPolicy(statement: Statement, into: Converted) -> bool:
    """
    Add a policy; no zone is signed by it.

    @return: whether it is valid.
    """
    # named adds these records by itself.
    table: dict[str, object] = {"name": statement.value, "cds": True}
    valid, left = _VALID, _LEFT
    for each in statement.inside:
        if each.name == "keys":
            _keys(each, table, into)
        elif each.name == "dnskey-ttl":
            table["dnskey-ttl"] = f"{secondsIn(each.value)}s"
        elif each.name == "signatures-validity":
            valid = secondsIn(each.value)
        elif each.name == "signatures-refresh":
            left = secondsIn(each.value)
        elif each.name == "nsec3param":
            table["denial"] = "nsec3-opt-out" if each.wordAfter("optout").lower() in ("yes", "true", "1") else "nsec3"
            if each.wordAfter("iterations") not in ("", "0") or each.wordAfter("salt-length") not in ("", "0"):
                into.differs(each.place, "NSEC3 has no iterations and no salt here (RFC 9276)")
        else:
            into.needless(each.place, "keys are not replaced on their own, so that there is nothing to wait for")
    if valid - left > valid // 2:
        into.note(statement.place, "signatures are made anew after half of their life at the latest")
    table |= {"signatures": f"{valid}s", "renew": f"{max(min(valid - left, valid // 2), 0)}s"}
    return into.add("signing-policy", table, statement.place)


def _keys(statement: Statement, table: dict[str, object], into: Converted) -> None:
    kinds = {each.name for each in statement.inside}
    table["keys"] = "csk" if "csk" in kinds else "ksk+zsk"
    for each in statement.inside:
        named = each.wordAfter("algorithm").lower()
        table["algorithm"] = _ALGORITHMS.get(named, named)
        if each.wordAfter("lifetime").lower() not in ("", "unlimited", "0"):
            into.missing(each.place, "keys are not replaced on their own", "make the next one with txdns keys, with its times")
