"""
Features on the path of a query, with one that there is not.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar
from unittest.mock import patch

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tests.server.operations.seeing import SeenServer
from tests.server.test_service import ServiceCase
from twisted_ext.answers import Answer, Origin, QueryContext
from twisted_ext.errors import BadDescription
from twisted_ext.interfaces import IAnswerSource, IQueryObserver, Start
from twisted_ext.limits import Limit
from twisted_ext.metrics.counters import Counters
from twisted_ext.metrics.exposition import exposition
from twisted_ext.metrics.figure import Figure
from twisted_ext.metrics.figures import JSON
from twisted_ext.resolver.sources import WrappingSource
from twisted_ext.server import service
from twisted_ext.server.config import types
from twisted_ext.server.config.setting import DECLARED, Section, Setting, number, setting
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.dryrun import pathOf
from twisted_ext.server.features import order
from twisted_ext.server.features.base.feature import ROUTES, Active, Feature, Keeper, Part, Site, Stage
from twisted_ext.server.features.built import Features
from twisted_ext.server.features.querylog.feature import QueryLogFeature
from twisted_ext.server.operations.control import controlTree
from twisted_ext.server.reply.gates import Gate
from twisted_ext.server.reply.requests import Refusal, Request
from twisted_ext.server.sources.sources import ForwardStack
from twisted_ext.testing.sources import answerOf
from twisted_ext.wire.codes import Rcode
from twisted_ext.wire.message import Question
from twisted_ext.zone.store.version import DirectAnswer


class FerrySettings(Section):
    ferryFleet: int = number(Limit(default=0, least=0, most=9), "Number of ferries", unit="ferries", group="Monitoring")
    ferryName: str = setting(types.TEXT, "anna", "Name of the first ferry")


class FerryGate:
    """
    Refuses MX queries.
    """

    name = "ferry"

    def __call__(self, request: Request, now: float) -> Refusal | None:
        return Refusal(Rcode.REFUSED) if request.question.rrType == 15 else None


_S = TypeVar("_S", bound=Section)

Around = Callable[[Features, IAnswerSource, Stage, list[Callable[[], str]]], IAnswerSource]


@implementer(IAnswerSource)
class FerrySource(WrappingSource):
    """
    Answers for names that contain that of the ferry.
    """

    def __init__(self, inner: IAnswerSource, name: str) -> None:
        super().__init__(inner)
        self._name = name.encode()

    def ask(self, question: Question, context: QueryContext) -> Answer | Start | None:
        if self._name not in question.name:
            return self._inner.ask(question, context)
        answer = answerOf(question, "192.0.2.111")
        answer.origin = Origin("local")
        return answer


@implementer(IQueryObserver)
class FerryLog:
    def __init__(self) -> None:
        self.seen: list[str] = []
        self.broken = False

    def replied(self, request: Request, octets: bytes, cause: Answer | DirectAnswer | Refusal | None, gate: str) -> None:
        self.seen.append(f"{type(cause).__name__} {gate}".rstrip())
        if self.broken:
            raise ZeroDivisionError

    def dropped(self, request: Request, why: str) -> None:
        self.seen.append(f"dropped {why}")
        if self.broken:
            raise ZeroDivisionError


class Ferry(Active):
    """
    A feature with a gate, a source and an observer.
    """

    def __init__(self, site: Site, log: FerryLog, steps: list[str]) -> None:
        self.name = site.settings[FerrySettings].ferryName
        self.site = site
        self.log = log
        self.watching = False
        self._steps = steps
        gate: Gate = FerryGate()
        self.parts = (
            Part(Stage.LAST, gate=gate),
            Part(Stage.UPSTREAM, lambda: f"ferry: {self.name}", wrap=partial(FerrySource, name=self.name)),
        )

    def observer(self) -> IQueryObserver | None:
        return self.log if self.watching else None

    def watch(self, on: bool) -> None:
        self.watching = on
        self.site.observing()

    def begin(self) -> None:
        self._steps.append(f"{self.name} begins")

    def take(self, state: JSON) -> None:
        self._steps.append(f"{self.name} takes {state}")

    def figures(self) -> dict[str, float]:
        return {"ferries": 3}

    def look(self) -> None:
        self._steps.append(f"{self.name} looks")

    def close(self, heir: Active | None) -> None:
        self._steps.append(f"{self.name} ends, then {heir.name if isinstance(heir, Ferry) else 'none'}")


class Harbor(Keeper):
    """
    The half of the feature that a server has once.
    """

    def __init__(self) -> None:
        self.publish: Callable[[JSON], object] | None = None
        self.said: list[str] = []

    def begin(self, publish: Callable[[JSON], object]) -> None:
        self.publish = publish

    def apply(self, settings: Settings) -> None:
        self.said.append(f"applies {settings[FerrySettings].ferryFleet}")

    def look(self) -> None:
        self.said.append("looks")

    def figures(self) -> dict[str, float]:
        return {"harbors": 1}

    def facts(self) -> dict[str, JSON]:
        return {"harbor": "open"}

    def close(self) -> None:
        self.said.append("closes")


class FerryFeature(Feature):
    name = "ferry"
    settings = FerrySettings
    figures = (
        Figure("ferries", "txdns_ferries", "Ferries at sea."),
        Figure("harbors", "txdns_harbors_total", "Harbors that were built.", grows=True),
    )

    def __init__(self) -> None:
        self.log = FerryLog()
        self.steps: list[str] = []
        self.harbor: Harbor | None = None

    def keeper(self, reactor: IReactorTime, settings: Settings) -> Keeper | None:
        self.harbor = Harbor()
        return self.harbor

    def make(self, site: Site, former: Active | None) -> Active | None:
        wanted = site.settings[FerrySettings]
        return Ferry(site, self.log, self.steps) if wanted.ferryFleet else None


class PickyFeature(Feature):
    """
    A feature that does not like one value of the setting of another one.
    """

    name = "picky"
    settings = FerrySettings

    def make(self, site: Site, former: Active | None) -> Active | None:
        if site.settings[FerrySettings].ferryName == "titanic":
            raise BadDescription("ferry-name: not this one")
        return None


def _breaking(view: str, around: Around) -> Around:
    """
    Return a replacement of L{Features.around} that fails in one view.
    """

    def breaking(self: Features, source: IAnswerSource, stage: Stage, steps: list[Callable[[], str]]) -> IAnswerSource:
        if self.site.view == view:
            raise BadDescription("no ferry")
        return around(self, source, stage, steps)

    return breaking


class FeaturesTests(ServiceCase):
    def setUp(self) -> None:
        super().setUp()
        self.feature = FerryFeature()
        self.patch(order, "ORDER", (self.feature, PickyFeature(), QueryLogFeature()))
        self.patch(DECLARED, "all", (*DECLARED.all, *FerrySettings.declared()))

    def rcode(self, rrType: str = "A", name: str = "anna.test.example") -> int:
        reply = self.asked(name, rrType)
        assert reply is not None
        return reply.rcode

    def test_offByDefault(self) -> None:
        """
        A feature that is not switched on is not on the path of a query.
        """
        service = self.run_()
        self.assertEqual(self.rcode(), Rcode.NXDOMAIN)
        self.assertEqual((self.feature.steps, service.frontend.responder.observer), ([], None))
        self.assertNotIn("ferry", str(pathOf(self.here, self.settings())))

    def test_partsAreOnThePath(self) -> None:
        """
        Its gate refuses, its source answers, and C{--show-path} has both.
        """
        self.run_(ferryFleet=1)
        self.assertEqual([self.rcode(), self.rcode(name="www.test.example")], 2 * [Rcode.NOERROR])
        self.assertEqual(self.rcode("MX"), Rcode.REFUSED)
        path = pathOf(self.here, self.settings(ferryFleet=1, ferryName="berta"))
        self.assertEqual(path[path.index("gate: any") + 1], path[path.index("gate: ferry")])
        self.assertTrue(path[path.index("ferry: berta") + 1].startswith("cache"), path)

    def test_observerIsToldWhileItWatches(self) -> None:
        """
        An observer is told of queries only while it has something to watch, beside the query log.
        """
        service = self.run_(ferryFleet=1, queryLog=True)
        active = service.features.active["ferry"]
        assert isinstance(active, Ferry)
        self.rcode()
        active.watch(True)
        self.rcode()
        self.rcode("MX")
        active.watch(False)
        self.rcode()
        self.assertEqual(self.feature.log.seen, ["Answer", "Refusal ferry"])
        self.assertEqual(len([event for event in self.said if event.get("log_namespace") == "twisted_ext.queries"]), 4)

    def test_brokenObserverIsLogged(self) -> None:
        """
        An observer that raises takes nothing from clients, nor from the other observers.
        """
        service = self.run_(ferryFleet=1, queryLog=True)
        active = service.features.active["ferry"]
        assert isinstance(active, Ferry)
        active.watch(True)
        self.feature.log.broken = True
        self.assertEqual(self.rcode(), Rcode.NOERROR)
        self.assertEqual(len([event for event in self.said if event.get("log_namespace") == "twisted_ext.queries"]), 1)
        self.assertEqual((len(self.feature.log.seen), service.counters.faults), (1, 1))
        self.flushLoggedErrors(ZeroDivisionError)

    def test_life(self) -> None:
        """
        A feature begins with the server and is looked after. A reload makes another one, which begins before the first one ends.
        """
        steps = self.feature.steps
        service = self.run_(ferryFleet=1)
        self.network.advance(1.1)
        service.goOverTo(self.settings(ferryFleet=1, ferryName="berta"))
        self.network.advance(1)
        service.goOverTo(self.settings())
        self.assertEqual(
            steps, ["anna begins", "anna looks", "berta begins", "anna ends, then berta", "berta looks", "berta ends, then none"]
        )

    def test_lifeEndsWithTheServer(self) -> None:
        self.stop(self.run_(ferryFleet=1))
        self.assertEqual(self.feature.steps, ["anna begins", "anna ends, then none"])

    def test_publishedState(self) -> None:
        """
        What the keeper publishes reaches the feature, also one that a reload switches on later; a successor has it from its predecessor.
        """
        steps = self.feature.steps
        service = self.run_()
        harbor = self.feature.harbor
        assert harbor is not None and harbor.publish is not None
        harbor.publish("fog")
        harbor.publish(None)
        harbor.publish("sun")
        self.assertEqual(steps, [])
        service.goOverTo(self.settings(ferryFleet=1))
        harbor.publish("rain")
        service.goOverTo(self.settings(ferryFleet=1, ferryName="berta"))
        harbor.publish(None)
        service.goOverTo(self.settings())
        service.goOverTo(self.settings(ferryFleet=1))
        self.assertEqual([step for step in steps if "takes" in step], ["anna takes sun", "anna takes rain", "berta takes None"])

    def test_keeper(self) -> None:
        """
        A keeper is there although its feature is off. It is told of new settings and looks after what it keeps, and what it says is in the
        status and the statistics, with the numbers of the feature where that is on.
        """
        service = self.run_()
        harbor = self.feature.harbor
        assert harbor is not None
        self.assertEqual(self.successResultOf(service.status.status())["harbor"], "open")
        numbers = self.successResultOf(service.status.figures()).numbers
        self.assertEqual((numbers["harbors"], numbers.get("ferries")), (1, None))
        service.goOverTo(self.settings(ferryFleet=1))
        figures = self.successResultOf(service.status.figures())
        self.assertEqual(figures.numbers["ferries"], 3)
        page = exposition(figures, version="1", started=0, declared=order.declaredFigures())
        self.assertIn("# HELP txdns_ferries Ferries at sea.\n# TYPE txdns_ferries gauge\ntxdns_ferries 3\n", page)
        self.assertIn("# TYPE txdns_harbors_total counter\ntxdns_harbors_total 1\n", page)
        self.network.advance(1.1)
        self.stop(service)
        self.assertEqual(harbor.said, ["applies 1", "looks", "closes"])

    def test_figuresOfViewsAreAddedUp(self) -> None:
        """
        What a feature counts for a view of its own counts beside what it does for others.
        """
        views = [{"name": "one", "clients": "192.0.2.1"}, {"name": "two", "clients": "192.0.2.2"}]
        service = self.run_(view=views, ferryFleet=1)
        self.assertEqual(self.successResultOf(service.status.figures()).numbers["ferries"], 3)
        self.patch(self.feature, "differs", lambda one, other: True)
        service.goOverTo(self.settings(view=views, ferryFleet=2))
        self.assertEqual(self.successResultOf(service.status.figures()).numbers["ferries"], 9)

    def test_sourceThatCannotBeMadeChangesNothing(self) -> None:
        """
        If a source of a feature, or of one of its views, cannot be made, the cache is as before, and the settings that are in force stay.
        """
        view = [{"name": "one", "clients": "192.0.2.1"}]
        for name in ("", "one"):
            service = self.run_(ferryFleet=1, view=view)
            self.patch(self.feature, "differs", lambda one, other: True)
            stack, former = service.stack, service.settings
            assert isinstance(stack, ForwardStack)
            before = (stack.caching.store.apart, stack.backends.common, stack.views, stack._outermost)

            with patch.object(Features, "around", _breaking(name, Features.around)), self.assertRaises(BadDescription):
                service.goOverTo(self.settings(ferryFleet=1, view=view, route=["lan=192.0.2.54"], cache=False))
            self.assertEqual(before, (stack.caching.store.apart, stack.backends.common, stack.views, stack._outermost))
            self.assertIs(service.settings, former)
            self.assertEqual(self.rcode(), Rcode.NOERROR)
            self.stop(service)

    def test_failureChangesNothing(self) -> None:
        """
        If a feature cannot use the settings of a reload, those before it in the order are given up, and the old ones stay in force.
        """
        steps = self.feature.steps
        service = self.run_(ferryFleet=1)
        features = service.features
        gates = service.frontend.responder.gates
        unusable: tuple[dict[str, object], ...] = (
            {"ferryFleet": 2, "ferryName": "titanic"},
            {"ferryFleet": 2, "ferryName": "berta", "minTtl": 9, "maxTtl": 5},
        )
        for values in unusable:
            del steps[:]
            with self.assertRaises(BadDescription):
                service.goOverTo(self.settings(**values))
            self.assertEqual(steps, [f"{values['ferryName']} ends, then anna"])
            self.assertIs(service.features, features)
            self.assertIs(service.frontend.responder.gates, gates)
            self.assertEqual((self.rcode(), service.settings[FerrySettings].ferryFleet), (Rcode.NOERROR, 1))

    def test_gateThatDecidesLater(self) -> None:
        """
        A gate that says that it decides later is refused, at the start and at a reload, before it gets a request.
        """

        class Later:
            name = "later"

            def __call__(self, request: Request, now: float) -> Deferred[Refusal | None]:
                return succeed(None)

        class Slow:
            name = "slow"

            async def __call__(self, request: Request, now: float) -> None:
                pass

        async def slowly(request: Request, now: float) -> None:
            pass

        running = self.run_()
        for gate in (Later(), Slow(), slowly):
            with patch(f"{__name__}.FerryGate", lambda gate=gate: gate):
                for begin in (self.run_, lambda **values: running.goOverTo(self.settings(**values))):
                    del self.feature.steps[:]
                    with self.assertRaisesRegex(BadDescription, "ferry: its gate decides later, and a gate has to decide at once"):
                        begin(ferryFleet=1)
                    self.assertEqual(self.feature.steps, ["anna ends, then none"])
        self.assertEqual(self.rcode(), Rcode.NXDOMAIN)

    def test_failureAtStart(self) -> None:
        """
        A server that cannot start with these settings leaves nothing behind.
        """
        with self.assertRaises(BadDescription):
            self.run_(ferryFleet=1, minTtl=9, maxTtl=5)
        with patch.object(service, "Frontend", side_effect=BadDescription("no")), self.assertRaises(BadDescription):
            self.run_(ferryFleet=1)
        self.assertEqual(self.feature.steps, 2 * ["anna ends, then none"])
        self.assertEqual(self.here.pending(), [])


class StageTests(SynchronousTestCase):
    def test_orderWithinAStage(self) -> None:
        """
        The first in the order is the outermost.
        """
        built: list[str] = []

        def wrapping(name: str) -> Callable[[IAnswerSource], IAnswerSource]:
            def wrap(source: IAnswerSource) -> IAnswerSource:
                built.append(name)
                return source

            return wrap

        class Named(Feature):
            settings = FerrySettings

            def __init__(self, name: str) -> None:
                self.name = name

            def make(self, site: Site, former: Active | None) -> Active | None:
                active = Active()
                active.parts = (
                    Part(Stage.OUTER, partial(str, self.name), wrap=wrapping(self.name)),
                    Part(Stage.OUTER, partial(str, f"{self.name}2"), wrap=wrapping(f"{self.name}2")),
                    Part(Stage.LOCAL, partial(str, "elsewhere"), wrap=wrapping("elsewhere")),
                )
                return active

        self.patch(order, "ORDER", (Named("a"), Named("b")))
        features = Features(Site(Clock(), Settings()))
        steps: list[Callable[[], str]] = []
        features.around(FerrySource.__new__(FerrySource), Stage.OUTER, steps)
        self.assertEqual(built, ["b2", "b", "a2", "a"])
        self.assertEqual([step() for step in steps], built)


def wrongPaths(paths: list[str]) -> list[str]:
    """
    Return paths of commands that are there twice, that have other than one or two words, or that hide a command of the server.
    """
    with patch.object(order, "ORDER", ()):
        site = controlTree(SeenServer(Clock(), Counters()).status, Clock())
    own = {name.decode() for name in site.listStaticNames()}
    return sorted({path for path in paths if paths.count(path) > 1 or path.count("/") > 1 or path.split("/")[0] in own})


class RecordedSettings(Settings):
    """
    Settings that note which of them are read.
    """

    def __init__(self, values: Settings) -> None:
        self.noted: set[str] = set()
        super().__init__(values.given)
        self.noted.clear()

    @classmethod
    def declared(cls) -> tuple[Setting, ...]:
        return Settings.declared()

    def __getattribute__(self, name: str) -> object:
        declared = vars(Settings).get(name)
        if isinstance(declared, Setting):
            super().__getattribute__("noted").add(declared.name)
        return super().__getattribute__(name)

    def __getitem__(self, section: type[_S]) -> _S:
        self.noted.update([each.name for each in section.declared()])
        return super().__getitem__(section)


class ReadsTests(SynchronousTestCase):
    def test_whatFeaturesReadIsDeclared(self) -> None:
        """
        A feature says which settings of others it goes by, so that a view in which one of them differs gets a feature of its own. Those of
        the server are the same in all views, but for its routes.
        """
        everything = Settings.of(
            hostsFile="", local=["router.lan A 192.0.2.1"], domainNeeded=True, block=["ads.example"], stopRebinding=True, filterA=True,
            tls="127.0.0.1", queryLog=True, queryHistory=True, clientRate=5, requireCookie=["192.0.2.1"],
        )  # fmt: skip
        routed: set[str] = set()
        inViews = {each.name for each in DECLARED.all if each.inView} | set(ROUTES)
        for feature in order.ORDER:
            if feature.name == "negativeanchors":
                # Exceptions from validation are those of the server, in all views.
                continue
            settings = RecordedSettings(everything)
            active = feature.make(Site(Clock(), settings), None)
            own = {each.name for each in feature.settings.declared()}
            self.assertLessEqual((settings.noted & inViews) - own, {*feature.reads}, feature.name)
            routed |= {feature.name} if settings.noted & set(ROUTES) else set()
            if active is not None:
                active.begin()
                active.close(None)
        self.assertGreaterEqual(len(routed), 4)


class OrderTests(SynchronousTestCase):
    def test_namesAreUnique(self) -> None:
        """
        No two features have the same name, no two settings, no two numbers, and no two commands; commands have one or two words, of which
        the first is not one of the server's own.
        """
        verbs = [verb.path for verb in order.declaredVerbs()]
        self.assertEqual(wrongPaths(verbs), [])
        self.assertEqual(wrongPaths(["ferry/list", "ferry/list", "zones/sink", "a/b/c", "harbor"]), ["a/b/c", "ferry/list", "zones/sink"])
        for attribute in ("key", "metric"):
            figures = order.declaredFigures()
            self.assertEqual(len({getattr(each, attribute) for each in figures}), len(figures))
        self.assertEqual(len({feature.name for feature in order.ORDER}), len(order.ORDER))
        for attribute in ("name", "attribute"):
            self.assertEqual(len({getattr(each, attribute) for each in DECLARED.all}), len(DECLARED.all))
