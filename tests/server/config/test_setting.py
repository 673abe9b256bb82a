"""
Declarations of settings.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.limits import Limit
from twisted_ext.server.config import types
from twisted_ext.server.config.setting import GROUPS, RESOLVING, Section, number, octets, setting


class _Ferries(Section):
    """
    Settings of a part of a server that there is not.
    """

    ferryRate: int = number(Limit(default=7, least=0, most=9), "Ferries per hour", unit="ferries", group="Upstreams")
    ferryNames: tuple[str, ...] = setting(types.NAME, ("a.example.",), "Names of ferries", serving=())
    cargoSize: int = octets(Limit(default=1 << 20, least=1, most=1 << 30), "Octets of cargo", live=False)
    crew: bool = setting(types.FLAG, False, "Show the crew", group="Monitoring", roles=("serve",))


class SectionTests(SynchronousTestCase):
    def test_defaults(self) -> None:
        ferries = _Ferries({})
        self.assertEqual((ferries.ferryRate, ferries.ferryNames, ferries.cargoSize, ferries.crew), (7, ("a.example.",), 1 << 20, False))

    def test_givenValues(self) -> None:
        ferries = _Ferries({"ferry-rate": 3, "crew": True, "port": 5300})
        self.assertEqual((ferries.ferryRate, ferries.ferryNames, ferries.crew), (3, ("a.example.",), True))

    def test_defaultsOfServe(self) -> None:
        """
        A server that answers from its zones alone may have another default; a given value is taken with every role.
        """
        self.assertEqual(_Ferries({"role": "serve"}).ferryNames, ())
        self.assertEqual(_Ferries({"role": "recurse"}).ferryNames, ("a.example.",))
        self.assertEqual(_Ferries({"role": "serve", "ferry-names": ("b.example.",)}).ferryNames, ("b.example.",))

    def test_declared(self) -> None:
        """
        Settings are named after their attributes, and are in the group that one before them has named.
        """
        self.assertEqual(
            [(each.name, each.attribute, each.group, each.live) for each in _Ferries.declared()],
            [
                ("ferry-rate", "ferryRate", "Upstreams", True),
                ("ferry-names", "ferryNames", "Upstreams", True),
                ("cargo-size", "cargoSize", "Upstreams", False),
                ("crew", "crew", "Monitoring", True),
            ],
        )

    def test_rolesOfGroup(self) -> None:
        """
        A setting has an effect with the roles of its group, unless it names others.
        """
        self.assertEqual([each.roles for each in _Ferries.declared()], [RESOLVING, RESOLVING, RESOLVING, ("serve",)])
        self.assertEqual(GROUPS["Monitoring"], ("forward", "recurse", "serve"))
