"""
C{txdns services}: lists the targets of a service in the order in which a client would try them.
"""

from __future__ import annotations

from json import dumps
from typing import TYPE_CHECKING, Final

from twisted_ext.apps.cli.terminal.exits import DECLINED, NO_REPLY, OK, USAGE, ExitError
from twisted_ext.apps.cli.terminal.run import runUntilDone
from twisted_ext.apps.cli.terminal.upstream import soleTarget

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.compat.names import NamesResolver
    from twisted_ext.discovery.targets import Target

__all__ = ["main"]

HELP: Final = """\
Usage: txdns services SERVICE [@DESCRIPTION] [+short] [+json]

Shows where a service is: what the domain's records say, in the order in which a program
would try it. Priority, weight, host and port; then protocols and addresses, if records say
them. What no record names has no priority; the domain itself, where it has no records for mail,
has 0 (RFC 5321).

  txdns services _xmpp-client._tcp.example.org      servers by SRV
  txdns services https://www.example.org            HTTPS records, with all their aliases
  txdns services dns://dns.example.org              SVCB records, of other schemes with a port
  txdns services mailto:example.org                 where mail goes
  txdns services tel:+442079460148                  URIs of a phone number
  txdns services _imaps._tcp.example.org @192.0.2.53 +short

+short leaves host and port, +json prints one list.

Exit codes: 0 there is somewhere to go; 1 wrong usage; 2 there is not, or the domain says that
it does not offer this; 9 nobody knew.
"""

_FORMS: Final = "write one such as _xmpp-client._tcp.example.org, https://example.org, mailto:example.org or tel:+442079460148"


def main(words: list[str]) -> int:
    """
    @param words: those behind C{txdns services}.

    @return: the exit code.
    """
    if any(word in ("-h", "--help") for word in words):
        print(HELP, end="")
        return OK
    service = target = ""
    wishes: set[str] = set()
    for word in words:
        if word.startswith("@"):
            target = soleTarget(word, target)
        elif word in ("+short", "+json", "--short", "--json"):
            wishes.add(word.replace("--", "+"))
        elif word.startswith(("+", "-")):
            raise ExitError(USAGE, f"{word!r} is not an option; there are +short and +json")
        elif service:
            raise ExitError(USAGE, f"{service!r} and {word!r}; one service at a time")
        else:
            service = word
    if not service:
        raise ExitError(USAGE, f"no service; {_FORMS}")

    async def begin(reactor: IReactorTime) -> int:
        return await _show(reactor, service, target, wishes)

    return runUntilDone(begin, command="services")


async def _show(reactor: IReactorTime, service: str, target: str, wishes: set[str]) -> int:
    from twisted_ext.apps.cli.terminal.upstream import describedSource, upstreamFor
    from twisted_ext.compat.conversion.errors import (
        DNSFormatError,
        DNSNameError,
        LookupFailed,
        ServiceNotAvailable,
        UnusableService,
    )
    from twisted_ext.compat.names import NamesResolver
    from twisted_ext.errors import CallerFault

    source = (await upstreamFor(reactor, target)).source if target else describedSource(reactor, "system")
    resolver = NamesResolver(source, reactor)
    try:
        found = await _find(resolver, service)
    except (CallerFault, DNSFormatError) as error:
        # A server may say so of what was written well.
        raise ExitError(NO_REPLY if error.server else USAGE, str(error)) from error
    except (ServiceNotAvailable, UnusableService, DNSNameError) as error:
        raise ExitError(DECLINED, str(error)) from error
    except LookupFailed as error:
        raise ExitError(NO_REPLY, str(error)) from error
    finally:
        await resolver.close()
    if "+json" in wishes:
        print(dumps([each if isinstance(each, str) else _described(each) for each in found]))
    else:
        for each in found:
            print(str(each) if isinstance(each, str) or "+short" in wishes else _line(each))
    if not found:
        raise ExitError(DECLINED, f"{service}: there are no such records")
    return OK


async def _find(resolver: NamesResolver, service: str) -> list[Target] | list[str]:
    """
    @raise ExitError: the text is not a valid service.
    """
    from twisted_ext.compat.lookups.services import bindingTargets, mailTargets, numberURIs, serverTargets
    from twisted_ext.discovery.limits import RECORD_DELAY

    scheme, colon, rest = service.partition(":")
    if rest.startswith("//"):
        host, port = _hostAndPort(rest[2:].rstrip("/"), service)
        # The user wants to see the records, however long they take.
        return await bindingTargets(scheme, host, port, recordDelay=RECORD_DELAY.most, resolver=resolver)
    if colon and scheme.lower() == "mailto":
        if not rest.rpartition("@")[2]:
            raise ExitError(USAGE, f"{service!r} has no domain; {_FORMS}")
        return await mailTargets(rest.rpartition("@")[2], resolver=resolver)
    if colon and scheme.lower() == "tel":
        return await numberURIs(rest, resolver=resolver)
    if service.startswith("_"):
        return await serverTargets(service, resolver=resolver)
    raise ExitError(USAGE, f"{service!r} is not a valid service; {_FORMS}")


def _hostAndPort(text: str, service: str) -> tuple[str, int | None]:
    if not text:
        raise ExitError(USAGE, f"{service!r} has no host; {_FORMS}")
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        return text, None
    if not (port.isascii() and port.isdigit() and len(port) < 6):
        raise ExitError(USAGE, f"{service!r}: write scheme, host and port alone, such as https://example.org:8443")
    return host, int(port)


def _named(target: Target) -> bool:
    """
    @return: whether a record names it.
    """
    from twisted_ext.discovery.targets import BEHIND

    return target.priority < BEHIND


def _line(target: Target) -> str:
    numbers = f"{target.priority:>5} {target.weight:>5}" if _named(target) else f"{'-':>5} {'-':>5}"
    said = [f"alpn={','.join(target.alpn)}"] if target.alpn else []
    said += [f"hint={','.join(target.addresses)}"] if target.addresses else []
    return " ".join([f"{numbers}  {target}", *said])


def _described(target: Target) -> dict[str, object]:
    return {
        "host": target.host,
        "port": target.port,
        "priority": target.priority if _named(target) else None,
        "weight": target.weight if _named(target) else None,
        "alpn": list(target.alpn),
        "addresses": list(target.addresses),
        "parameters": {str(key): value.hex() for key, value in target.parameters.items()},
    }
