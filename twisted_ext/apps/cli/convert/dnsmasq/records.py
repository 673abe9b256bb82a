"""
Makes records of dnsmasq's directives, as texts for the setting C{local}.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from ipaddress import ip_address
from typing import Final

from twisted_ext.apps.cli.convert.dnsmasq.lines import plain, split
from twisted_ext.apps.cli.convert.words import numberFrom
from twisted_ext.errors import BadDescription
from twisted_ext.wire.escapes import quoted

__all__ = ["RECORDS", "Record", "absolute", "familyOf", "hostRecords"]

#: A directive's records: its value and the domain of C{domain=} to texts.
Record = Callable[[str, str], Iterator[str]]

#: Octets of one string of a TXT record.
_STRING: Final = 255


@lru_cache  # A list of blocked names has the same address on every line.
def familyOf(address: str) -> str:
    """
    Return the type of records for an address.

    @raise BadDescription: it is not an address.
    """
    try:
        return "A" if ip_address(address).version == 4 else "AAAA"
    except ValueError:
        raise BadDescription(f"{address!r} is not a valid IP address") from None


def absolute(name: str) -> str:
    """
    Return the name as the owner or target in a record.

    @raise BadDescription: it is empty.
    """
    name = plain(name)
    if not name:
        raise BadDescription("a name is missing")
    # Names are never relative in these files. In a record, a space would end them.
    name = re.sub(r'[\s";()\\]', lambda found: f"\\{ord(found[0]):03d}", name)
    return name if name.endswith(".") else f"{name}."


def _number(text: str, most: int) -> int:
    number = numberFrom(text)
    if number is None or number > most:
        raise BadDescription(f"{text!r} is not a number from 0 to {most}")
    return number


def _string(text: str) -> str:
    return quoted(plain(text).encode("utf-8"))


def hostRecords(value: str) -> tuple[list[str], list[str], str]:
    """
    Parse C{NAME[,NAME...],[ADDRESS],[ADDRESS][,TTL]}.

    @return: names, addresses and the TTL, C{""} without one.

    @raise BadDescription: it is not valid.
    """
    names: list[str] = []
    addresses: list[str] = []
    ttl = ""
    for word in split(value):
        if not word:
            continue
        if names and word.isdecimal():
            ttl = word
        elif _isAddress(word):
            addresses.append(word)
        else:
            names.append(absolute(word))
    if not names or not addresses:
        raise BadDescription("a name and an address were expected")
    return names, addresses, ttl


def _isAddress(word: str) -> bool:
    try:
        ip_address(word)
    except ValueError:
        return False
    return True


def _host(value: str, domain: str) -> Iterator[str]:
    names, addresses, ttl = hostRecords(value)
    for name in names:
        for address in addresses:
            yield f"{name} {f'{ttl} ' if ttl else ''}{familyOf(address)} {address}"


def _alias(value: str, domain: str) -> Iterator[str]:
    *names, target = split(value)
    ttl = ""
    if len(names) > 1 and target.isdecimal():
        ttl = f"{target} "
        *names, target = names
    if not names:
        raise BadDescription("an alias and its target were expected")
    for name in names:
        if name:
            yield f"{absolute(name)} {ttl}CNAME {absolute(target)}"


def _service(value: str, domain: str) -> Iterator[str]:
    name, *rest = split(value)
    target, port, priority, weight, *_ = [*rest, "", "", "", ""]
    # _service._protocol alone is of the domain of domain=.
    if name.count(".") == 1 and domain:
        name = f"{name}.{domain}"
    numbers = [_number(text or default, 65535) for text, default in ((priority, "0"), (weight, "0"), (port, "1"))]
    yield f"{absolute(name)} SRV {' '.join(map(str, numbers))} {absolute(target) if target else '.'}"


def _text(value: str, domain: str) -> Iterator[str]:
    name, *strings = split(value)
    parts: list[str] = []
    for string in strings or [""]:
        octets = plain(string).encode("utf-8")
        parts += [quoted(octets[start : start + _STRING]) for start in range(0, max(len(octets), 1), _STRING)]
    yield f"{absolute(name)} TXT {' '.join(parts)}"


def _pointer(value: str, domain: str) -> Iterator[str]:
    name, *target = split(value)
    if len(target) != 1:
        raise BadDescription("a name and its target were expected")
    yield f"{absolute(name)} PTR {absolute(target[0])}"


def _naming(value: str, domain: str) -> Iterator[str]:
    parts = split(value)
    if not 6 <= len(parts) <= 7:
        raise BadDescription("NAME,ORDER,PREFERENCE,FLAGS,SERVICE,REGEXP[,REPLACEMENT] was expected")
    name, order, preference, flags, service, pattern, *replacement = parts
    numbers = f"{_number(order, 65535)} {_number(preference, 65535)}"
    target = absolute(replacement[0]) if replacement and replacement[0] else "."
    yield f"{absolute(name)} NAPTR {numbers} {_string(flags)} {_string(service)} {_string(pattern)} {target}"


def _authority(value: str, domain: str) -> Iterator[str]:
    parts = split(value)
    if len(parts) != 4:
        raise BadDescription("NAME,FLAGS,TAG,VALUE was expected")
    name, flags, tag, text = parts
    yield f"{absolute(name)} CAA {_number(flags, 255)} {plain(tag)} {_string(text)}"


def _any(value: str, domain: str) -> Iterator[str]:
    name, number, *rest = [*split(value), ""]
    digits = "".join(rest).replace(":", "").replace(" ", "")
    try:
        octets = bytes.fromhex(digits)
    except ValueError:
        raise BadDescription(f"{digits!r} is not a valid number of hexadecimal digits") from None
    yield f"{absolute(name)} TYPE{_number(number, 65535)} \\# {len(octets)} {octets.hex()}".rstrip()


#: The directives that are records as they stand. That for MX needs others as well.
RECORDS: Final[dict[str, Record]] = {
    "host-record": _host,
    "cname": _alias,
    "srv-host": _service,
    "txt-record": _text,
    "ptr-record": _pointer,
    "naptr-record": _naming,
    "caa-record": _authority,
    "dns-rr": _any,
}
