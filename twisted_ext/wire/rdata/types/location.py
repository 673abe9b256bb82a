"""
Record types that hold geographic locations.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, cast

from twisted_ext.errors import BadMessage
from twisted_ext.wire.rdata.fields import Rdata
from twisted_ext.wire.rdata.fieldtypes import Number, Text
from twisted_ext.wire.tokens import Tokens, badRecord

__all__ = ["GPOS", "LOC"]

_DECIMAL: Final = re.compile(rb"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)")


class GPOS(Rdata):
    """
    Longitude and latitude in degrees, altitude in meters, as decimal numbers (RFC 1712; its example has latitude first).
    """

    longitude = Text()
    latitude = Text()
    altitude = Text()

    @classmethod
    def flaw(cls, values: Sequence[object]) -> str:
        for field, value in zip(cls.fields, values, strict=True):
            # An empty string means an unknown value.
            if value and not _DECIMAL.fullmatch(cast(bytes, value)):
                return f"{field.name} is not a decimal number"
        return ""


#: The encoding of latitude and longitude 0, in thousandths of an arc second.
_ZERO: Final = 1 << 31

#: The encoding of altitude 0, in centimeters.
_DEPTH: Final = 10_000_000

_WHOLE: Final = re.compile("[0-9]{1,3}")
_SECONDS: Final = re.compile(r"([0-9]{1,2})(?:\.([0-9]{0,3}))?")
_METERS: Final = re.compile(r"(-?)([0-9]{1,8})(?:\.([0-9]{0,2}))?m?")


def _fromPower(octet: int) -> int:
    """
    Decode a size: a digit and a power of ten.

    @return: centimeters.

    @raise BadMessage: either is more than 9, or the digit is 0 and the power is not.
    """
    digit, power = octet >> 4, octet & 15
    if digit > 9 or power > 9 or (power and not digit):
        raise BadMessage(f"the size {octet:#04x}; a digit and a power of ten were expected")
    return int(digit * 10**power)


def _toPower(centimeters: int) -> int:
    power = max(0, len(str(centimeters)) - 1)
    return int(centimeters // 10**power) << 4 | power if centimeters else 0


def _angle(value: int, signs: str) -> str:
    offset = abs(value - _ZERO)
    seconds, thousandths = divmod(offset, 1000)
    return f"{seconds // 3600} {seconds // 60 % 60} {seconds % 60}.{thousandths:03d} {signs[value < _ZERO]}"


def _meters(centimeters: int) -> str:
    sign, rest = ("-", -centimeters) if centimeters < 0 else ("", centimeters)
    return f"{sign}{rest // 100}.{rest % 100:02d}m"


def _readAngle(tokens: Tokens, what: str, most: int, signs: str) -> int:
    expected = f"the {what}, degrees up to {most}, minutes, seconds and {signs[0]} or {signs[1]},"
    total = 0
    for place in range(4):
        text = tokens.take(expected)
        if place and text.upper() in (signs[0], signs[1]):
            break
        if place == 2:
            match = _SECONDS.fullmatch(text)
            if match is None or int(match[1]) > 59:
                raise tokens.bad(text, expected)
            total += int(match[1]) * 1000 + int((match[2] or "").ljust(3, "0"))
        else:
            if place == 3 or not _WHOLE.fullmatch(text) or int(text) > (59 if place else most):
                raise tokens.bad(text, expected)
            total += int(text) * (60_000 if place else 3_600_000)
    if total > most * 3_600_000:
        raise badRecord(f"a {what} of more than {most} degrees", tokens.column)
    return _ZERO + total if text.upper() == signs[0] else _ZERO - total


def _readMeters(tokens: Tokens, what: str, *, signed: bool = False) -> int:
    expected = f"the {what} in meters"
    text = tokens.take(expected)
    match = _METERS.fullmatch(text)
    if match is None or (match[1] and not signed):
        raise tokens.bad(text, expected)
    centimeters = int(match[2]) * 100 + int((match[3] or "").ljust(2, "0"))
    return -centimeters if match[1] else centimeters


class LOC(Rdata):
    """
    A location, its size and its precision (RFC 1876).

    @ivar latitude: thousandths of an arc second, 2^31 being the equator; see C{degrees}.
    @ivar longitude: thousandths of an arc second, 2^31 being the prime meridian.
    @ivar altitude: centimeters above a point 100,000 meters below the reference spheroid; see C{meters}.
    @ivar size: the diameter, as a digit in the upper four bits and a power of ten in the lower, in centimeters.
    @ivar horizontal: the horizontal precision in the same form.
    @ivar vertical: the vertical precision in the same form.
    """

    version = Number(1)
    size = Number(1)
    horizontal = Number(1)
    vertical = Number(1)
    latitude = Number(4)
    longitude = Number(4)
    altitude = Number(4)

    @property
    def degrees(self) -> tuple[float, float]:
        """
        Latitude and longitude in degrees; north and east are positive.
        """
        return (self.latitude - _ZERO) / 3_600_000, (self.longitude - _ZERO) / 3_600_000

    @property
    def meters(self) -> float:
        """
        Altitude above the WGS 84 reference spheroid.
        """
        return (self.altitude - _DEPTH) / 100

    @classmethod
    def parse(cls, data: bytes) -> list[object]:
        values = super().parse(data)
        version, *sizes = cast("list[int]", values[:4])
        if version:
            raise BadMessage(f"version {version}; only 0 is defined")
        for size in sizes:
            _fromPower(size)
        return values

    @classmethod
    def flaw(cls, values: Sequence[object]) -> str:
        latitude, longitude = cast(int, values[4]), cast(int, values[5])
        if abs(latitude - _ZERO) > 90 * 3_600_000 or abs(longitude - _ZERO) > 180 * 3_600_000:
            return "a latitude of more than 90 degrees, or a longitude of more than 180"
        return ""

    @classmethod
    def words(cls, values: Sequence[object]) -> str:
        _, size, horizontal, vertical, latitude, longitude, altitude = cast("list[int]", values)
        sizes = [_meters(_fromPower(each)) for each in (size, horizontal, vertical)]
        return " ".join([_angle(latitude, "NS"), _angle(longitude, "EW"), _meters(altitude - _DEPTH), *sizes])

    @classmethod
    def readWords(cls, tokens: Tokens) -> list[object]:
        latitude = _readAngle(tokens, "latitude", 90, "NS")
        longitude = _readAngle(tokens, "longitude", 180, "EW")
        altitude = _readMeters(tokens, "altitude", signed=True) + _DEPTH
        if not 0 <= altitude <= 0xFFFFFFFF:
            raise badRecord("an altitude below -100000 m or above 42849672.95 m", tokens.column)
        # Defaults are one meter, ten kilometers, ten meters (RFC 1876, section 3).
        sizes = [100, 1_000_000, 1000]
        for index, what in enumerate(("size", "horizontal precision", "vertical precision")):
            if tokens.more():
                sizes[index] = _readMeters(tokens, what)
                if sizes[index] > 9 * 10**9:
                    raise badRecord(f"a {what} of more than 90000000 m", tokens.column)
        return [0, *map(_toPower, sizes), latitude, longitude, altitude]
