"""
Format a chain of trust as a tree of lines.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from twisted_ext.answers import Security
from twisted_ext.dnssec.inspection import DelegationSigner, Inspection, ShownKey, ShownSet, ShownSignature, ShownZone
from twisted_ext.dnssec.times import timeToText
from twisted_ext.drawing.palette import Palette
from twisted_ext.wire.codes import EDE_NAMES
from twisted_ext.wire.escapes import printable

__all__ = ["chainLines"]


@dataclass(slots=True)
class _Node:
    """
    One line of the tree, with those below it.
    """

    text: str
    below: list[_Node] = field(default_factory=list)


def chainLines(inspection: Inspection, palette: Palette, unicode: bool) -> Iterator[str]:
    """
    Return the lines: the verdict, its reasons, and the zones from the trust anchor down with what they consist of.
    """
    tree = _Tree(palette, unicode)
    security = inspection.verdict.security
    what = f"{palette.name(printable(inspection.name))} {palette.type(inspection.rrType)}"
    yield f"{what} ({inspection.outcome}): {tree.level(security)}, at {timeToText(inspection.time)}"
    for code, text in inspection.verdict.reasons:
        yield "  " + palette.error(printable(f"{EDE_NAMES.get(code, f'EDE {code}')}: {text}"))
    nodes = [tree.zone(zone) for zone in inspection.zones]
    tops = []
    for node, zone in zip(nodes, inspection.zones, strict=True):
        if zone.parent is None:
            tops.append(node)
        else:
            nodes[zone.parent].below.append(node)
    for node in tops:
        yield node.text
        yield from tree.lines(node.below, "")


class _Tree:
    """
    The nodes of the tree.
    """

    def __init__(self, palette: Palette, unicode: bool) -> None:
        self._palette = palette
        self._fork, self._last, self._bar = ("├─ ", "└─ ", "│  ") if unicode else ("|- ", "`- ", "|  ")
        self._right, self._wrong, self._none = ("✓", "✗", "·") if unicode else ("+", "!", "-")

    def lines(self, nodes: list[_Node], indent: str) -> Iterator[str]:
        for index, node in enumerate(nodes):
            last = index == len(nodes) - 1
            yield indent + (self._last if last else self._fork) + node.text
            yield from self.lines(node.below, indent + ("   " if last else self._bar))

    def level(self, security: Security) -> str:
        palette = self._palette
        paint = {Security.SECURE: palette.good, Security.BOGUS: palette.error}.get(security, palette.warning)
        return paint(security.value)

    def zone(self, zone: ShownZone) -> _Node:
        palette = self._palette
        node = _Node(f"{palette.name(printable(zone.name))} {self.level(zone.security)}")
        below = node.below
        for _, text in zone.reasons:
            below.append(_Node(f"{self._mark(zone.security is Security.INSECURE, False)} {palette.error(printable(text))}"))
        below += [_Node(self._ds(ds, zone)) for ds in zone.ds]
        if zone.dsSet is not None:
            below += self._signed("DS", zone.dsSet, True)
        below += [_Node(self._key(key, zone)) for key in zone.keys]
        if zone.keySet is not None:
            below += self._signed("DNSKEY", zone.keySet, zone.security is Security.SECURE)
        for denial in zone.denials:
            below.append(self._set(denial, zone))
        for answer in zone.answers:
            below.append(self._set(answer, zone))
        return node

    def _mark(self, neutral: bool, right: bool) -> str:
        palette = self._palette
        if right:
            return palette.good(self._right)
        return palette.warning(self._none) if neutral else palette.error(self._wrong)

    def _ds(self, ds: DelegationSigner, zone: ShownZone) -> str:
        kind = "trust anchor" if zone.anchored else "DS"
        text = f"{kind} {ds.tag} {ds.algorithm} {ds.digestType}"
        if ds.problem:
            # An anchor or a DS record for a key that is not used yet, or not any more, does no harm beside one that is.
            spare = any(each.matches for each in zone.ds)
            return f"{self._mark(spare, False)} {text}: {self._problem(ds.problem, spare)}"
        return f"{self._mark(False, True)} {text}"

    def _problem(self, text: str, harmless: bool = False) -> str:
        return (self._palette.comment if harmless else self._palette.error)(printable(text))

    def _key(self, key: ShownKey, zone: ShownZone) -> str:
        text = f"{key.role} {key.tag} {key.algorithm}, {key.bits} bits, flags {key.flags}"
        if key.entry:
            text += ", the trust anchor's" if key.entry == "anchor" else ", the DS record's"
        if key.revoked:
            text += ", revoked"
        mark = self._mark(not key.problem, zone.security is Security.SECURE and not key.problem and not key.revoked)
        return f"{mark} {text}" + (f": {self._problem(key.problem)}" if key.problem else "")

    def _signed(self, what: str, shown: ShownSet, trusted: bool) -> list[_Node]:
        if not shown.signatures:
            return [_Node(f"{self._mark(False, False)} {what}: {self._problem('not signed')}")]
        return [_Node(self._signature(f"{what} ", each, shown, trusted)) for each in shown.signatures]

    def _signature(self, what: str, signature: ShownSignature, shown: ShownSet, trusted: bool) -> str:
        by = f"{what}signed by {signature.tag} of {printable(signature.signer)}"
        when = self._palette.comment(f"{timeToText(signature.inception)} to {timeToText(signature.expiration)}")
        if signature.problem:
            harmless = shown.right
            return f"{self._mark(harmless, False)} {by}, {when}: {self._problem(signature.problem, harmless)}"
        # What keys without trust have signed is consistent, but proves nothing.
        return f"{self._mark(True, trusted)} {by}, {when}"

    def _set(self, shown: ShownSet, zone: ShownZone) -> _Node:
        palette = self._palette
        trusted = zone.security is Security.SECURE
        neutral = shown.needless or (shown.right and not trusted)
        node = _Node(f"{self._mark(neutral, shown.right and trusted)} {printable(shown.records[0])}")
        if shown.why:
            node.text += palette.comment(printable(f"  (denies {shown.why})" if shown.rrType != "SOA" else f"  (for {shown.why})"))
        node.below += [_Node(printable(line)) for line in shown.records[1:]]
        node.below += [_Node(self._signature("", each, shown, trusted)) for each in shown.signatures]
        if not shown.signatures:
            node.below.append(_Node(palette.comment("not signed") if shown.needless else self._problem("not signed")))
        return node
