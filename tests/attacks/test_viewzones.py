"""
Attempts to get, or to change, a zone of another view.
"""

from __future__ import annotations

from unittest.mock import patch

from twisted.internet.defer import Deferred

from tests.server.zones.load.variants import VariantsCase
from tests.zone.changing import APEX
from twisted_ext.server.reply.opcodes import handlerKey
from twisted_ext.server.reply.requests import Refusal, Request
from twisted_ext.server.zones.load.zoneset import ZoneSet
from twisted_ext.server.zones.load.zonesets import ZoneSets
from twisted_ext.wire.codes import Opcode, Rcode
from twisted_ext.wire.rrtypes import AXFR, IXFR

#: By view, the client that its zone trusts with everything.
_TRUSTED = {"": "10.0.0.1", "partners": "10.0.0.2", "lab": "10.0.0.3"}


class OtherViewsTests(VariantsCase):
    """
    Zones with the same name in two views and for all, each of which trusts a client of its own, and a key.
    """

    def taken(self, zoneSets: ZoneSets) -> set[tuple[str, str, str, str]]:
        """
        Have each client ask for, and change, the zone of each view, with and without a key.

        @return: what was not refused: the operation, the view, the client, and the key.
        """
        found = set()
        for name, opcode, rrType in (
            ("AXFR", Opcode.QUERY, AXFR),
            ("IXFR", Opcode.QUERY, IXFR),
            ("NOTIFY", Opcode.NOTIFY, 0),
            ("UPDATE", Opcode.UPDATE, 0),
        ):
            key = handlerKey(opcode, rrType)
            for view in (*_TRUSTED, "none"):
                for client in (*_TRUSTED.values(), "10.0.0.9"):
                    for keyName in (b"", b"\x01k\0"):
                        request = self.request(opcode, view, client, rrType or AXFR)
                        request.keyName = keyName
                        if opcode:
                            request.readWhole()
                        if self.isDone(zoneSets, key, request):
                            found.add((name, view, client, "k" if keyName else ""))
        return found

    def isDone(self, zoneSets: ZoneSets, key: int, request: Request) -> bool:
        outcome = zoneSets.handlers[key](request)
        found: list[object] = [outcome]
        if isinstance(outcome, Deferred):
            found.clear()
            outcome.addCallback(found.append)
            self.settle()
        elif not isinstance(outcome, Refusal):
            # To its end, which gives its slot back.
            b"".join(outcome)
        return not isinstance(found[0], Refusal) or found[0].rcode == Rcode.NOERROR

    def test_otherViews(self) -> None:
        """
        Whatever its address and its key, a client gets and changes only the zone of its own view, and only if that zone trusts it. Were
        zones not chosen by view, clients would get what others trust them with.
        """
        keys = self.folder / "keys"
        keys.write_text("hmac-sha256:k:c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0MTI=\n")
        keys.chmod(0o600)
        options: dict[str, dict[str, object]] = {}
        for view, client in _TRUSTED.items():
            grants = [client, "key=k"] if view == "lab" else [client]
            rules = [f"address {client} zone ANY"]
            options[view] = {"allow-transfer": grants, "allow-notify": grants, "update": rules}
        zoneSets = self.begin(self.settingsOf(options, keyFile=str(keys)))
        wanted = {
            (name, view, client, key)
            for name in ("AXFR", "IXFR", "UPDATE")
            for view, trusted in (*_TRUSTED.items(), ("none", _TRUSTED[""]))
            for client in (*_TRUSTED.values(), "10.0.0.9")
            for key in ("", "k")
            if client == trusted or (view == "lab" and key and name != "UPDATE")
        }
        # The zones have no primaries, so that no notice is for them; a request for an IXFR without a serial is malformed.
        found = self.taken(zoneSets)
        assert {each for each in found if each[0] in ("AXFR", "UPDATE")} == {each for each in wanted if each[0] != "IXFR"}
        assert {each for each in found if each[0] in ("IXFR", "NOTIFY")} <= wanted

        def careless(self: ZoneSets, request: Request) -> ZoneSet:
            trusting = [view for view, client in _TRUSTED.items() if client == request.client]
            return (self.of(trusting[0]) if trusting else None) or self.common

        with patch.object(ZoneSets, "answering", careless):
            assert self.taken(zoneSets) - wanted
        place = zoneSets.at("example.org..lab")
        assert place is not None and place.apex == APEX
