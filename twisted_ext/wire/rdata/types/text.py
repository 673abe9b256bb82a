"""
Record types that hold text.
"""

from __future__ import annotations

from twisted_ext.wire.rdata.fields import Rdata
from twisted_ext.wire.rdata.fieldtypes import Strings, Text

__all__ = ["AVC", "CLA", "HINFO", "ISDN", "NINFO", "RESINFO", "SPF", "TXT", "WALLET", "X25"]


class HINFO(Rdata):
    """
    A host's hardware and operating system (RFC 1035, section 3.3.2), or a minimal answer to an ANY query (RFC 8482).
    """

    cpu = Text()
    system = Text()


class TXT(Rdata):
    """
    Arbitrary text, in one or more strings (RFC 1035, section 3.3.14).
    """

    strings = Strings()

    @property
    def text(self) -> bytes:
        """
        All strings concatenated, as most uses of the type define it (RFC 7208, section 3.3).
        """
        return b"".join(self.strings)


class X25(Rdata):
    """
    An address in a public packet-switched network (RFC 1183, section 3.1).
    """

    address = Text()


class ISDN(Rdata):
    """
    A telephone number with an optional subaddress (RFC 1183, section 3.2).
    """

    strings = Strings(1, 2)

    @property
    def address(self) -> bytes:
        """
        The telephone number.
        """
        return self.strings[0]

    @property
    def subaddress(self) -> bytes:
        """
        The subaddress; empty if there is none.
        """
        return self.strings[1] if len(self.strings) > 1 else b""


class NINFO(TXT):
    """
    The state of a zone (draft-reid-dnsext-zs).
    """


class SPF(TXT):
    """
    The hosts that may send mail for the domain; replaced by TXT (RFC 7208, section 3.1).
    """


class AVC(TXT):
    """
    Metadata on applications (Cisco's application visibility and control).
    """


class RESINFO(TXT):
    """
    The capabilities of a resolver (RFC 9606).
    """


class WALLET(TXT):
    """
    The address of a wallet, after the name of its currency.
    """


class CLA(TXT):
    """
    The addresses of a node in an interplanetary network (draft-johnson-dns-ipn-cla).
    """
