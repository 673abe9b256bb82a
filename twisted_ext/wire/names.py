"""
Domain names as C{bytes} in uncompressed wire form (RFC 1035, section 3.1).

C{b"\\x03www\\x07example\\x00"} is www.example. Labels are octets: a label that holds a dot is one label. Because no length octet is in the
range of the letters A to Z, C{name.lower()} folds case without looking at labels (RFC 4343), and folded names are compared as C{bytes}.
"""

from __future__ import annotations

import re
from typing import Final

from twisted_ext.errors import BadName
from twisted_ext.wire.escapes import resolved

__all__ = [
    "ROOT",
    "MOST_OCTETS",
    "MOST_LABEL_OCTETS",
    "nameFromText",
    "nameToText",
    "nameFromLabels",
    "labelsOf",
    "labelCount",
    "nameEnd",
    "parentOf",
    "isBelow",
    "joined",
    "canonicalKey",
    "isAbsolute",
]

#: The name of the root.
ROOT: Final = b"\x00"

#: Maximum octets of a name, including length octets (RFC 1035, section 2.3.4).
MOST_OCTETS: Final = 255

#: Maximum octets of a label (RFC 1035, section 2.3.4).
MOST_LABEL_OCTETS: Final = 63

#: Maximum characters of a name as text: each octet as an escape of four characters.
_MOST_CHARACTERS: Final = 4 * MOST_OCTETS

#: A dot between labels; other octets with their escapes; a backslash at the end.
_PART: Final = re.compile(rb"\.|(?:[^.\\]|\\.)+|\\", re.DOTALL)

_BACKSLASH: Final = 0x5C

_LENGTHS: Final = [bytes([number]) for number in range(64)]

_ESCAPED: Final = [
    "\\" + chr(octet) if octet in b'.\\"();@$' else chr(octet) if 0x21 <= octet <= 0x7E else f"\\{octet:03d}" for octet in range(256)
]

_PLAIN: Final = bytes(octet for octet in range(256) if _ESCAPED[octet] == chr(octet))

#: No octet up to this one is a character that is written as it is.
_MOST_LOW: Final = 0x20

#: Makes text of a name whose labels are no longer than that: their lengths become dots, and what would be escaped zero octets.
_DOTTED: Final = bytes(0x2E if octet <= _MOST_LOW else octet if octet in _PLAIN else 0 for octet in range(256))


def nameFromText(text: str | bytes, origin: bytes | None = None) -> bytes:
    """
    Parse a name: dots between labels, C{\\.} and C{\\DDD} escapes (RFC 1035, section 5.1; RFC 4343, section 2.1), other scripts by IDNA
    2008 with the mapping of UTS 46.

    @param text: C{bytes} are taken as octets, without IDNA. The final dot is optional.
    @param origin: appended to names without a final dot; L{None} treats all names as absolute.

    @raise BadName: an empty or over-long label, a name over 255 octets, an invalid escape, text that IDNA forbids.
    """
    if isinstance(text, str):
        try:
            raw = text.encode("ascii")
        except UnicodeEncodeError:
            raw = _encodeIDNA(text)
    else:
        raw = text
    # To look for an octet as a number takes a fifth of the time.
    labels = _splitEscaped(raw) if _BACKSLASH in raw else raw.split(b".")
    absolute = not labels[-1]
    if absolute:
        labels.pop()
        if labels == [b""]:
            labels = []
    try:
        name = b"".join([_LENGTHS[len(label)] + label for label in labels])
    except IndexError:
        raise BadName(f"{_quoted(text)}: a label has more than {MOST_LABEL_OCTETS} octets") from None
    if not raw or (0 in name and b"" in labels):
        wrong = "a label is empty; write one dot between labels" if raw else "the name is empty; the root is '.'"
        raise BadName(f"{_quoted(text)}: {wrong}")
    name += ROOT if absolute or origin is None else origin
    if len(name) > MOST_OCTETS:
        raise BadName(f"{_quoted(text)}: the name takes {len(name)} octets, at most {MOST_OCTETS} are allowed")
    return name


def isAbsolute(name: str | bytes) -> bool:
    """
    Return whether the name ends in an unescaped dot, so that no search list applies to it.
    """
    if isinstance(name, bytes):
        name = name.decode("latin-1")
    if not name.endswith("."):
        # The root may be written as the empty text; other scripts have their own dots.
        return not name or name[-1] in "\u3002\uff0e\uff61"
    rest = name[:-1]
    return not (len(rest) - len(rest.rstrip("\\"))) % 2


def _quoted(text: str | bytes) -> str:
    shown = text if isinstance(text, str) else text.decode("latin-1")
    return repr(shown if len(shown) <= 80 else shown[:77] + "...")


def _splitEscaped(raw: bytes) -> list[bytes]:
    labels = [b""]
    for part in _PART.findall(raw):
        if part == b".":
            labels.append(b"")
        elif part == b"\\":
            raise BadName(f"{_quoted(raw)}: a backslash ends the name; write two for the character itself")
        else:
            try:
                labels[-1] = resolved(part)
            except ValueError as error:
                raise BadName(f"{_quoted(raw)}: {error}") from None
    return labels


def _encodeIDNA(text: str) -> bytes:
    import idna

    if len(text) > _MOST_CHARACTERS:
        raise BadName(f"{_quoted(text)}: {len(text)} characters, no name needs more than {_MOST_CHARACTERS}")
    parts: list[bytes] = []
    for label in text.replace("\u3002", ".").replace("\uff0e", ".").replace("\uff61", ".").split("."):
        if label.isascii():
            parts.append(label.encode("ascii"))
            continue
        try:
            parts.append(idna.encode(label, uts46=True))
        except (idna.IDNAError, UnicodeError) as error:
            raise BadName(f"{_quoted(text)}: the label {label!r} is not allowed in an internationalized name: {error}") from error
    return b".".join(parts)


def nameToText(name: bytes, *, final: bool = True, unicode: bool = False) -> str:
    """
    Format a name as in a master file, escaped where needed.

    @param final: whether to add the final dot.
    @param unicode: whether to decode IDNA labels that encode to the same octets again.
    """
    if name == ROOT:
        return "."
    count = 1
    position = 0
    length = name[0]
    while 0 < length <= _MOST_LOW:
        count += 1
        position += length + 1
        length = name[position]
    if not length and not unicode:
        # As nearly all names are: no octet is escaped, and dots are between labels only.
        whole = name.translate(_DOTTED)
        if whole.count(b".") == count and b"\0" not in whole:
            return whole[1:].decode("ascii") if final else whole[1:-1].decode("ascii")
    parts: list[str] = []
    for label in labelsOf(name):
        if label.translate(None, _PLAIN):
            parts.append("".join([_ESCAPED[octet] for octet in label]))
        else:
            text = label.decode("ascii")
            if unicode and text[:4].lower() == "xn--":
                text = _decodeIDNA(text)
            parts.append(text)
    if final:
        parts.append("")
    return ".".join(parts)


def _decodeIDNA(label: str) -> str:
    import idna

    try:
        shown = idna.decode(label)
        return shown if idna.encode(shown) == label.lower().encode("ascii") else label
    except (idna.IDNAError, UnicodeError):
        return label


def labelsOf(name: bytes) -> list[bytes]:
    """
    Return the labels from left to right, without the root's.
    """
    labels: list[bytes] = []
    position = 0
    length = name[0]
    while length:
        position += 1
        labels.append(name[position : position + length])
        position += length
        length = name[position]
    return labels


def nameFromLabels(labels: list[bytes]) -> bytes:
    """
    @raise BadName: a label is empty or has more than 63 octets, or the name has more than 255.
    """
    for label in labels:
        if not 1 <= len(label) <= MOST_LABEL_OCTETS:
            raise BadName(f"a label of {len(label)} octets: 1 to {MOST_LABEL_OCTETS} are allowed")
    name = b"".join([_LENGTHS[len(label)] + label for label in labels]) + ROOT
    if len(name) > MOST_OCTETS:
        raise BadName(f"a name of {len(name)} octets: at most {MOST_OCTETS} are allowed")
    return name


def labelCount(name: bytes) -> int:
    """
    Return the number of labels, without the root's.
    """
    count = position = 0
    length = name[0]
    while length:
        count += 1
        position += length + 1
        length = name[position]
    return count


def nameEnd(octets: bytes, position: int = 0) -> int:
    """
    Return the offset behind the uncompressed name at C{position}.

    @raise IndexError: the name is cut off.
    """
    while length := octets[position]:
        position += length + 1
    return position + 1


def parentOf(name: bytes) -> bytes:
    """
    Return the name without its first label; the root is its own parent.
    """
    return name[name[0] + 1 :] or ROOT


def isBelow(name: bytes, ancestor: bytes) -> bool:
    """
    Return whether C{name} equals C{ancestor} or is below it. Both are folded.
    """
    if not name.endswith(ancestor):
        return False
    boundary = len(name) - len(ancestor)
    position = 0
    while position < boundary:
        position += name[position] + 1
    return position == boundary


def joined(prefix: bytes, suffix: bytes) -> bytes:
    """
    @raise BadName: the result has more than 255 octets.
    """
    name = prefix[:-1] + suffix
    if len(name) > MOST_OCTETS:
        raise BadName(f"{nameToText(prefix)!r} below {nameToText(suffix)!r} takes {len(name)} octets, at most {MOST_OCTETS} are allowed")
    return name


def canonicalKey(name: bytes) -> tuple[bytes, ...]:
    """
    Return a key for sorting names in canonical order (RFC 4034, section 6.1): by folded labels from the right.
    """
    labels = labelsOf(name.lower())
    labels.reverse()
    return tuple(labels)
