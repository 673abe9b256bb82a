"""
What named's C{response-policy} says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from twisted_ext.apps.cli.convert.viewnames import policyZoneName

if TYPE_CHECKING:
    from twisted_ext.apps.cli.convert.converted import Converted
    from twisted_ext.apps.cli.convert.named.syntax import Statement

__all__ = ["convertPolicies"]

#: What changes a zone that has a file.
_CHANGING: Final = frozenset(("allow-update", "update-policy", "inline-signing", "dnssec-policy"))


def convertPolicies(found: Statement, served: Iterable[Statement], path: Callable[[str], str], into: Converted) -> None:
    """
    Convert the statement.

    @param served: the zones.
    @param path: makes a path absolute.
    """
    known = {each.value.rstrip(".").lower(): {inner.name: inner for inner in each.inside} for each in served}
    for each in found.inside:
        apex = each.value.rstrip(".").lower()
        own = known.get(apex)
        if own is None:
            into.wrong(each.place, f"there is no zone {apex}")
            continue
        table: dict[str, object] = {"name": policyZoneName(apex), "zone": f"{apex}."}
        if "file" in own and own["type"].value.lower() in ("primary", "master") and not own.keys() & _CHANGING:
            table["file"] = path(own["file"].value)
        kind = each.wordAfter("policy").lower()
        if kind == "disabled":
            table["trial"] = True
        elif kind == "cname":
            table["override"] = f"cname={each.wordAfter('cname')}"
        elif kind not in ("", "given"):
            table["override"] = "passthru" if kind == "no-op" else kind
        if into.add("policy-zone", table, each.place):
            into.add("policy-zones", table["name"], each.place)
    words = [*found.words, *[each for each in found.after if isinstance(each, str)]]
    said = {before.lower(): word.lower() for before, word in zip(words, words[1:], strict=False)}
    if said.get("break-dnssec") != "yes":
        into.differs(found.place, "rules apply to signed names as well; with break-dnssec no, named leaves these alone for clients with DO")
    if said.get("qname-wait-recurse") != "no":
        text = "a name that a rule is about is not looked up first, unless a zone before has rules about addresses or servers"
        into.note(found.place, text)
    if "no" in (said.get("nsip-enable"), said.get("nsdname-enable")):
        into.differs(found.place, "rules about servers (rpz-nsdname, rpz-nsip) apply with role = recurse, whatever these are set to")
    if said.get("min-ns-dots", "1") != "1":
        into.differs(found.place, "rules about servers are not about those of the root and of zones of one label, as with min-ns-dots 1")
    into.note(found.place, "answers of rules have the TTLs of their records; named limits these to max-policy-ttl, 5 seconds by default")
