"""
Draw a chain of trust as SVG, or as a page with the drawing: zones as boxes, with arrows from keys to what they have signed and from DS
records to keys. Nothing is loaded from elsewhere, and all text is escaped: names and error texts come from anyone.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from textwrap import wrap
from typing import Final

from twisted_ext.answers import Security
from twisted_ext.dnssec.inspection import Inspection, ShownKey, ShownSet, ShownZone
from twisted_ext.dnssec.times import timeToText
from twisted_ext.drawing.chaintext import chainLines
from twisted_ext.drawing.palette import Palette
from twisted_ext.wire.codes import EDE_NAMES
from twisted_ext.wire.escapes import printable

__all__ = ["htmlOf", "svgOf"]

#: Sizes in pixels: a box's heading, a chip and the room below it.
_HEAD: Final = 34
_CHIP: Final = 40
_GAP: Final = 10


@dataclass(frozen=True, slots=True)
class _Layout:
    """
    Sizes in pixels that depend on the width.

    @ivar step: from a zone to one below it.
    @ivar gutter: room for arrows on the left of a box.
    @ivar anchor: the width of a trust anchor; C{keys} that of a key.
    @ivar signing: room for the arrows of signatures.
    @ivar lane: the place of the first of C{lanes} lines beside each other, which are C{apart}.
    @ivar line: characters of a line of text.
    """

    width: int
    margin: int
    step: int
    gutter: int
    anchor: int
    keys: int
    signing: int
    lane: int
    lanes: int
    apart: int
    line: int

    def laneAt(self, number: int) -> int:
        return self.lane + self.apart * (number % self.lanes)


_WIDE: Final = _Layout(1000, 20, 30, 44, 330, 230, 130, 8, 5, 4, 140)

#: For the screen of a telephone.
_NARROW: Final = _Layout(380, 6, 10, 22, 200, 88, 22, 2, 4, 2, 52)

#: Chips in one column of a zone; what is left out is in the text.
_MOST_CHIPS: Final = 24

#: Characters of a reason.
_REASON: Final = 560

#: Zones in a drawing.
_MOST_ZONES: Final = 64

_STYLE: Final = """
.page{fill:#fff}.box{fill:#f6f8fa;stroke:#8c959f}.chip{fill:#fff;stroke:#8c959f}text{fill:#1f2328;font:13px system-ui,sans-serif}
.small{font-size:11px;fill:#59636e}.zone{font-size:15px;font-weight:600}.title{font-size:18px;font-weight:600}
.secure{stroke:#1a7f37}.insecure,.indeterminate{stroke:#9a6700}.bogus{stroke:#d1242f}
text.secure{fill:#1a7f37;stroke:none}text.insecure,text.indeterminate{fill:#9a6700;stroke:none}text.bogus{fill:#d1242f;stroke:none}
path{fill:none;stroke-width:1.6}path.bogus{stroke-width:2.4;stroke-dasharray:6 4}path.insecure{stroke-dasharray:2 4}
rect{stroke-width:1.2}rect.bogus{stroke-width:2.4}
path.tip{stroke:none}.tip.secure{fill:#1a7f37}.tip.insecure{fill:#9a6700}.tip.bogus{fill:#d1242f}
@media (prefers-color-scheme:dark){
.page{fill:#0d1117}.box{fill:#161b22;stroke:#6e7681}.chip{fill:#0d1117;stroke:#6e7681}text{fill:#e6edf3}.small{fill:#9198a1}
.secure{stroke:#3fb950}.insecure,.indeterminate{stroke:#d29922}.bogus{stroke:#f85149}
text.secure{fill:#3fb950}text.insecure,text.indeterminate{fill:#d29922}text.bogus{fill:#f85149}
.tip.secure{fill:#3fb950}.tip.insecure{fill:#d29922}.tip.bogus{fill:#f85149}}
"""


def svgOf(inspection: Inspection) -> str:
    """
    Return the drawing as one SVG document.
    """
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + _Drawing(inspection).svg()


def htmlOf(inspection: Inspection) -> str:
    """
    Return a page with the drawing, and with the chain as text, which leaves nothing out.
    """
    title = f"{inspection.name} {inspection.rrType}: {inspection.verdict.security.value}"
    lines = "\n".join(chainLines(inspection, Palette(False), True))
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        '<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">\n'
        f"<title>{_text(title)}</title>\n"
        "<style>body{margin:1em auto;max-width:1000px;font-family:system-ui,sans-serif}svg{width:100%;height:auto}"
        "pre{overflow-x:auto;font-size:12px}.narrow{display:none}"
        "@media (max-width:700px){.wide{display:none}.narrow{display:block}body{margin:0 .3em}}</style></head>\n"
        f'<body>\n<div class="wide">{_Drawing(inspection).svg()}</div><div class="narrow">{_Drawing(inspection, _NARROW).svg()}</div>\n'
        f"<details><summary>Details</summary><pre>{_text(lines)}</pre></details>\n</body></html>\n"
    )


def _text(text: str) -> str:
    # Line ends are those of this module; everything else that is not printable is escaped.
    return "\n".join([escape(printable(line)) for line in text.split("\n")])


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _fitting(text: str, width: int, size: int) -> str:
    """
    Cut a text that would be wider than C{width} in a font of C{size} pixels, by the letters' widths in wide fonts.
    """
    left = width / size
    for index, letter in enumerate(text):
        left -= 0.7 if letter.isupper() else 0.62 if letter.isdigit() else 0.58 if letter.isalnum() else 0.37
        if left < 0:
            return _cut(text, max(index, 1))
    return text


@dataclass(slots=True)
class _Chip:
    """
    A small box: a key, or something that is signed.
    """

    x: int
    y: int
    width: int

    @property
    def left(self) -> tuple[int, int]:
        return self.x, self.y + _CHIP // 2

    @property
    def right(self) -> tuple[int, int]:
        return self.x + self.width, self.y + _CHIP // 2


@dataclass(slots=True)
class _Link:
    """
    A line from a DS record, or from the proof that there is none, to the zone below.

    @ivar tag: that of the key; L{None} for no key.
    """

    zone: int
    tag: int | None
    color: str
    x: int
    y: int
    gutter: int
    hint: str


class _Drawing:
    """
    One drawing.
    """

    def __init__(self, inspection: Inspection, layout: _Layout = _WIDE) -> None:
        self._inspection = inspection
        self._layout = layout
        self._zones = inspection.zones[:_MOST_ZONES]
        self._back: list[str] = []
        self._front: list[str] = []
        self._y = 0
        self._links: list[_Link] = []

    def svg(self) -> str:
        inspection = self._inspection
        self._heading()
        anchored = [(index, zone) for index, zone in enumerate(self._zones) if zone.anchored]
        if anchored:
            self._anchors(anchored)
        for index, zone in enumerate(self._zones):
            self._zone(index, zone)
        left = len(inspection.zones) - len(self._zones)
        if left:
            self._write(self._layout.margin, self._y + 16, f"and {left} more zones", "small")
            self._y += 26
        self._legend()
        title = f"{inspection.name} {inspection.rrType}: {inspection.verdict.security.value}"
        body = "\n".join([*self._back, *self._front])
        width = self._layout.width
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {self._y}" width="{width}" height="{self._y}" role="img">\n'
            f"<title>{_text(title)}</title>\n<style>{_STYLE}</style>\n"
            f'<rect class="page" width="{width}" height="{self._y}"/>\n{body}\n</svg>\n'
        )

    # -- pieces

    def _write(self, x: int, y: int, text: str, kind: str = "", most: int = 140) -> None:
        name = f' class="{kind}"' if kind else ""
        self._front.append(f'<text x="{x}" y="{y}"{name}>{_text(_cut(text, most))}</text>')

    def _chip(self, chip: _Chip, first: str, second: str, color: str, hint: str) -> _Chip:
        self._front.append(
            f'<g><title>{_text(hint)}</title><rect class="chip {color}" x="{chip.x}" y="{chip.y}" width="{chip.width}" height="{_CHIP}"'
            ' rx="5"/>'
        )
        self._write(chip.x + 8, chip.y + 17, _fitting(first, chip.width - 12, 13))
        self._write(chip.x + 8, chip.y + 33, _fitting(second, chip.width - 12, 11), "small")
        self._front.append("</g>")
        return chip

    def _arrow(self, path: str, end: tuple[int, int], color: str, hint: str) -> None:
        x, y = end
        self._front.append(
            f'<g><title>{_text(hint)}</title><path class="{color}" d="{path}"/>'
            f'<path class="tip {color}" d="M{x} {y}l-8 -4v8z"/></g>'
        )

    def _heading(self) -> None:
        inspection, layout = self._inspection, self._layout
        security = inspection.verdict.security.value
        margin = layout.margin
        self._write(margin, 32, f"{inspection.name} {inspection.rrType}", "title", min(80, layout.width // 11))
        level = 32 if layout is _WIDE else 52
        self._front.append(f'<text x="{layout.width - margin}" y="{level}" text-anchor="end" class="title {security}">{security}</text>')
        self._write(margin, 52, f"{inspection.outcome}, validated at {timeToText(inspection.time)}", "small")
        self._y = 66
        for code, text in inspection.verdict.reasons:
            line = printable(f"{EDE_NAMES.get(code, f'EDE {code}')}: {text}")[:_REASON]
            for piece in wrap(line, layout.line):
                self._write(margin, self._y + 8, piece, "bogus" if security == "bogus" else "insecure")
                self._y += 20
        self._y += 8

    def _anchors(self, anchored: list[tuple[int, ShownZone]]) -> None:
        layout = self._layout
        top = self._y
        x = layout.margin
        y = top + _HEAD
        lane = 0
        for index, zone in anchored:
            for ds in zone.ds[:_MOST_CHIPS]:
                chip = _Chip(x + layout.gutter, y, layout.anchor)
                color = "secure" if ds.matches else "insecure"
                hint = f"trust anchor of {zone.name}: DS {ds.tag} {ds.algorithm} {ds.digestType} {ds.digest}"
                self._chip(chip, f"{zone.name} DS {ds.tag}", f"{ds.algorithm}, {ds.digestType}", color, hint)
                if ds.matches:
                    self._links.append(_Link(index, ds.tag, color, *chip.left, x + layout.laneAt(lane), hint))
                    lane += 1
                y += _CHIP + _GAP
            for key in [each for each in zone.keys if each.entry == "anchor" and not any(ds.tag == each.tag for ds in zone.ds)]:
                chip = _Chip(x + layout.gutter, y, layout.anchor)
                hint = f"trust anchor of {zone.name}: key {key.tag}"
                self._chip(chip, f"{zone.name} DNSKEY {key.tag}", key.algorithm, "secure", hint)
                self._links.append(_Link(index, key.tag, "secure", *chip.left, x + layout.laneAt(lane), hint))
                lane += 1
                y += _CHIP + _GAP
        self._box(x, top, layout.width - 2 * x, y - top, "secure", "Trust anchors", "")
        self._y = y + 16

    def _box(self, x: int, y: int, width: int, height: int, color: str, name: str, security: str) -> None:
        self._back.append(f'<rect class="box {color}" x="{x}" y="{y}" width="{width}" height="{height}" rx="8"/>')
        gutter = self._layout.gutter
        self._write(x + gutter, y + 22, name, "zone", min(80, (width - gutter - 70) // 9))
        if security:
            self._front.append(f'<text x="{x + width - 14}" y="{y + 22}" text-anchor="end" class="{color}">{security}</text>')

    # -- zones

    def _depth(self, zone: ShownZone) -> int:
        depth = 1
        while zone.parent is not None and depth < 12:
            zone = self._zones[zone.parent]
            depth += 1
        return depth

    def _zone(self, index: int, zone: ShownZone) -> None:
        layout = self._layout
        x = layout.margin + layout.step * self._depth(zone)
        width = layout.width - layout.margin - x
        top = self._y
        color = {Security.SECURE: "secure", Security.BOGUS: "bogus"}.get(zone.security, "insecure")
        y = top + _HEAD
        keys: dict[int, _Chip] = {}
        for key in zone.keys[:_MOST_CHIPS]:
            keys.setdefault(key.tag, self._key(zone, key, _Chip(x + layout.gutter, y, layout.keys)))
            y += _CHIP + _GAP
        below = [(place, each) for place, each in enumerate(self._zones) if each.parent == index and not each.anchored]
        denied = {f"{each.name} DS" for _, each in below}
        bottom = y
        y = top + _HEAD
        column = x + layout.gutter + (layout.keys + layout.signing if keys else 0)
        room = x + width - 14 - column
        shown = [] if zone.keySet is None else [("DNSKEY", zone.keySet)]
        shown += [("denial", each) for each in zone.denials if each.rrType != "SOA" and not denied & set(each.why.split(", "))]
        shown += [("", each) for each in zone.answers]
        for kind, each in shown[:_MOST_CHIPS]:
            self._signed(zone, each, kind, _Chip(column, y, room), keys)
            y += _CHIP + _GAP
        if len(shown) > _MOST_CHIPS:
            self._write(column, y + 12, f"and {len(shown) - _MOST_CHIPS} more", "small")
            y += 20
        y = max(y, bottom)
        lane = 0
        for place, child in below:
            y, lane = self._delegation(zone, place, child, x, y, column, room, keys, lane)
        self._box(x, top, width, y - top, color, zone.name, zone.security.value)
        self._enter(index, zone, x, top, keys, color)
        self._y = y + 16

    def _enter(self, index: int, zone: ShownZone, x: int, top: int, keys: dict[int, _Chip], color: str) -> None:
        """
        Draw the lines that lead to a zone.
        """
        for link in self._links:
            if link.zone == index:
                chip = keys.get(link.tag) if link.tag is not None else None
                end = (x, top + 17) if chip is None else chip.left
                self._arrow(f"M{link.x} {link.y}H{link.gutter}V{end[1]}H{end[0]}", end, link.color, link.hint)

    def _key(self, zone: ShownZone, key: ShownKey, chip: _Chip) -> _Chip:
        color = "bogus" if key.problem else "secure" if zone.security is Security.SECURE and not key.revoked else "insecure"
        note = key.problem or ("revoked" if key.revoked else f"{key.algorithm}, {key.bits} bits")
        hint = f"{key.role} {key.tag} of {zone.name}, {key.algorithm}, {key.bits} bits, flags {key.flags} {key.problem}"
        return self._chip(chip, f"{key.role} {key.tag}", note, color, hint)

    def _signed(self, zone: ShownZone, shown: ShownSet, kind: str, chip: _Chip, keys: dict[int, _Chip]) -> None:
        trusted = zone.security is Security.SECURE
        color = "secure" if shown.right and trusted else "insecure" if shown.needless or shown.right else "bogus"
        first = f"{shown.name} {shown.rrType}"
        if kind == "DNSKEY":
            first = f"DNSKEY, {len(shown.records)} keys"
        elif kind == "denial":
            first = f"{shown.rrType} {' '.join(shown.records[0].split(' ')[4:])}"
            if shown.rrType == "NSEC":
                first = f"{shown.name} {first}"
        else:
            first += " " + " ".join(shown.records[0].split(" ")[4:])
        until = [each for each in shown.signatures if each.right] or shown.signatures
        second = "not signed" if not until else until[0].problem or f"signed until {timeToText(until[0].expiration)}"
        if kind == "denial":
            second = f"denies {shown.why}; {second}"
        self._chip(chip, first, second, color, "\n".join([*shown.records, *[each.problem for each in shown.signatures if each.problem]]))
        self._signatures(shown, chip, keys, trusted)

    def _signatures(self, shown: ShownSet, chip: _Chip, keys: dict[int, _Chip], trusted: bool) -> None:
        for signature in shown.signatures[:8]:
            key = keys.get(signature.tag)
            color = "bogus" if signature.problem else "secure" if trusted else "insecure"
            when = f"{timeToText(signature.inception)} to {timeToText(signature.expiration)}"
            hint = signature.problem or f"signed by key {signature.tag}, {when}"
            x, y = chip.left
            if key is None:
                self._arrow(f"M{x - min(60, self._layout.signing)} {y}H{x}", (x, y), color, hint)
            else:
                begin, level = key.right
                middle = (begin + x) // 2
                self._arrow(f"M{begin} {level}C{middle} {level} {middle} {y} {x - 6} {y}", (x, y), color, hint)

    def _delegation(
        self, zone: ShownZone, place: int, child: ShownZone, x: int, y: int, column: int, room: int, keys: dict[int, _Chip], lane: int
    ) -> tuple[int, int]:
        """
        Draw what a zone says of one below it: DS records, or that there are none.

        @return: where to go on, and the next lane for lines.
        """
        trusted = zone.security is Security.SECURE
        spare = any(ds.matches for ds in child.ds)
        for number, ds in enumerate(child.ds[:_MOST_CHIPS]):
            chip = _Chip(column, y, room)
            right = child.dsSet is not None and child.dsSet.right
            useless = spare or child.security is Security.INSECURE
            color = "bogus" if not right or not (ds.matches or useless) else "secure" if ds.matches and trusted else "insecure"
            second = ds.problem or f"{ds.algorithm}, {ds.digestType} {ds.digest[:16]}"
            hint = f"DS {ds.tag} of {child.name}: {ds.algorithm} {ds.digestType} {ds.digest} {ds.problem}"
            self._chip(chip, f"DS {ds.tag} of {child.name}", second, color, hint)
            if child.dsSet is not None and not number:
                self._signatures(child.dsSet, chip, keys, trusted)
            self._link(place, ds.tag if ds.matches else None, color, chip, x, lane, hint)
            lane += 1
            y += _CHIP + _GAP
        if not child.ds:
            denials = [each for each in zone.denials if f"{child.name} DS" in each.why.split(", ") and each.rrType != "SOA"]
            for each in denials[:_MOST_CHIPS]:
                chip = _Chip(column, y, room)
                self._signed(zone, each, "denial", chip, keys)
                y += _CHIP + _GAP
            if denials:
                color = "bogus" if child.security is Security.BOGUS else "insecure"
                self._link(place, None, color, chip, x, lane, f"{child.name} has no DS")
                lane += 1
            elif child.security is Security.BOGUS:
                chip = _Chip(column, y, room)
                hint = f"{child.name}: neither DS records nor a denial"
                self._chip(chip, f"DS of {child.name}", "missing, and not denied", "bogus", hint)
                self._link(place, None, "bogus", chip, x, lane, hint)
                lane += 1
                y += _CHIP + _GAP
        return y, lane

    def _link(self, place: int, tag: int | None, color: str, chip: _Chip, x: int, lane: int, hint: str) -> None:
        # Below the middle, where the signature's arrow arrives.
        begin, level = chip.left
        self._links.append(_Link(place, tag, color, begin, level + 14, x + self._layout.laneAt(lane), hint))

    def _legend(self) -> None:
        layout = self._layout
        y = self._y + 14
        x = layout.margin
        for color, words in (("secure", "secure"), ("insecure", "not signed, or not trusted"), ("bogus", "broken")):
            needed = 80 + 6 * len(words)
            if x + needed > layout.width:
                x, y = layout.margin, y + 20
            self._arrow(f"M{x} {y}h40", (x + 46, y), color, words)
            self._write(x + 54, y + 4, words, "small")
            x += needed
        for piece in wrap("Keys point to what they have signed, DS records to the keys of the zone below.", layout.line):
            y += 20
            self._write(layout.margin, y + 4, piece, "small")
        self._y = y + 16
