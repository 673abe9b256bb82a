"""
C{txdns services}: lists the targets of a service in the order in which a client would try them.
"""

from __future__ import annotations

from json import dumps
from typing import TYPE_CHECKING, Final

from twisted_ext.apps.cli.terminal.arguments import Arguments, Given, flag
from twisted_ext.apps.cli.terminal.exits import DECLINED, NO_REPLY, OK, USAGE, ExitError
from twisted_ext.apps.cli.terminal.run import runUntilDone
from twisted_ext.apps.cli.terminal.upstream import SERVER, resolverFor, targetIn

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.compat.names import NamesResolver
    from twisted_ext.discovery.targets import Target

__all__ = ["ARGUMENTS", "main"]

_HELP: Final = """\
Usage: txdns services SERVICE [@DESCRIPTION] [+short] [+json]

Lists the targets of a service, in the order in which a client would try them: priority, weight,
host and port, then protocols and addresses if the records have them. A target that no record
names has no priority. A domain without MX records is its own mail server, with priority 0
(RFC 5321).

  txdns services _xmpp-client._tcp.example.org      SRV records
  txdns services https://www.example.org            HTTPS records; aliases are followed
  txdns services dns://dns.example.org              SVCB records; other schemes need a port
  txdns services mailto:example.org                 mail servers
  txdns services tel:+442079460148                  URIs of a phone number
  txdns services _imaps._tcp.example.org @192.0.2.53 +short

+short prints host and port only, +json prints one list.

Exit codes: 0 there are targets; 1 wrong usage; 2 there are none, or the domain declares that it
does not offer the service; 9 the look-up failed.
"""

_FORMS: Final = "write one such as _xmpp-client._tcp.example.org, https://example.org, mailto:example.org or tel:+442079460148"


_SHORT: Final = flag("+short", "print host and port only")
_JSON: Final = flag("+json", "print one JSON list")

ARGUMENTS: Final = Arguments(_HELP, SERVER, _SHORT, _JSON)


def main(words: list[str]) -> int:
    given = ARGUMENTS.parse(words)
    if not given.bare:
        raise ExitError(USAGE, f"a service is missing; {_FORMS}")
    service, *more = given.bare
    if more:
        raise ExitError(USAGE, f"two services, {service!r} and {more[0]!r}; write one")
    target = targetIn(given)
    return runUntilDone(lambda reactor: _show(reactor, service, target, given), command="services")


async def _show(reactor: IReactorTime, service: str, target: str, given: Given) -> int:
    from twisted_ext.compat.conversion.errors import (
        DNSFormatError,
        DNSNameError,
        LookupFailed,
        ServiceNotAvailable,
        UnusableService,
    )
    from twisted_ext.errors import CallerFault

    resolver = await resolverFor(reactor, target)
    try:
        found = await _find(resolver, service)
    except (CallerFault, DNSFormatError) as error:
        # With a server, the error is a FORMERR reply, not an error of the user.
        raise ExitError(NO_REPLY if error.server else USAGE, str(error)) from error
    except (ServiceNotAvailable, UnusableService, DNSNameError) as error:
        raise ExitError(DECLINED, str(error)) from error
    except LookupFailed as error:
        raise ExitError(NO_REPLY, str(error)) from error
    finally:
        await resolver.close()
    if given[_JSON]:
        print(dumps([each if isinstance(each, str) else _described(each) for each in found]))
    else:
        for each in found:
            print(str(each) if isinstance(each, str) or given[_SHORT] else _line(each))
    if not found:
        raise ExitError(DECLINED, f"{service}: no records found")
    return OK


async def _find(resolver: NamesResolver, service: str) -> list[Target] | list[str]:
    from twisted_ext.compat.lookups.services import bindingTargets, mailTargets, numberURIs, serverTargets
    from twisted_ext.discovery.limits import RECORD_DELAY

    scheme, colon, rest = service.partition(":")
    if rest.startswith("//"):
        host, port = _hostAndPort(rest[2:].rstrip("/"), service)
        # Wait as long as allowed for the records, which are the purpose of this command.
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
        raise ExitError(USAGE, f"{service!r}: write only scheme, host and port, such as https://example.org:8443")
    return host, int(port)


def _hasRecord(target: Target) -> bool:
    from twisted_ext.discovery.targets import BEHIND

    return target.priority < BEHIND


def _line(target: Target) -> str:
    numbers = f"{target.priority:>5} {target.weight:>5}" if _hasRecord(target) else f"{'-':>5} {'-':>5}"
    said = [f"alpn={','.join(target.alpn)}"] if target.alpn else []
    said += [f"hint={','.join(target.addresses)}"] if target.addresses else []
    return " ".join([f"{numbers}  {target}", *said])


def _described(target: Target) -> dict[str, object]:
    return {
        "host": target.host,
        "port": target.port,
        "priority": target.priority if _hasRecord(target) else None,
        "weight": target.weight if _hasRecord(target) else None,
        "alpn": list(target.alpn),
        "addresses": list(target.addresses),
        "parameters": {str(key): value.hex() for key, value in target.parameters.items()},
    }
