"""
Tests of the metrics page, read by Prometheus' own parser.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from twisted.trial.unittest import SynchronousTestCase

from tests.metrics.samples import HOSTILE, busy
from twisted_ext.metrics.counters import Counters
from twisted_ext.metrics.exposition import exposition
from twisted_ext.metrics.figures import Figures, ZoneFigures, figuresOf

parser = pytest.importorskip("prometheus_client.parser", reason="prometheus-client is not installed")


def read(figures: Figures, zones: Sequence[ZoneFigures] = ()) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """
    Return all samples of the page by name and labels.
    """
    samples: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
    for family in parser.text_string_to_metric_families(exposition(figures, version="1.2.3", started=1.5e9, zones=zones)):
        assert family.documentation and family.type in ("counter", "gauge", "histogram", "summary"), family
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in samples, key
            samples[key] = sample.value
    return samples


class ExpositionTests(SynchronousTestCase):
    """
    Tests for L{exposition}.
    """

    def test_prometheusReadsTheValues(self) -> None:
        """
        Prometheus reads the counted values under their labels.
        """
        samples = read(figuresOf(busy()))
        self.assertEqual(samples["txdns_queries_total", (("transport", "udp"),)], 900)
        self.assertEqual(samples["txdns_queries_total", (("transport", "tcp"),)], 100)
        self.assertEqual(samples["txdns_replies_total", (("rcode", "NXDOMAIN"),)], 40)
        self.assertEqual(samples["txdns_refusals_total", (("gate", "access"),)], 1)
        self.assertEqual(samples["txdns_lane_hits_total", ()], 850)
        self.assertEqual(samples["txdns_build_info", (("version", "1.2.3"),)], 1)
        self.assertEqual(samples["process_start_time_seconds", ()], 1.5e9)

    def test_histogramIsCumulative(self) -> None:
        """
        The buckets of the histogram are cumulative, the last one is the count, and replies without a wait are in the first.
        """
        figures = figuresOf(busy())
        samples = read(figures)
        buckets = [(dict(labels)["le"], value) for (name, labels), value in samples.items() if name == "txdns_reply_seconds_bucket"]
        self.assertEqual([bound for bound, _ in buckets][-1], "+Inf")
        values = [value for _, value in buckets]
        self.assertEqual(values, sorted(values))
        self.assertEqual(values[0], figures.atHand + 1)
        self.assertEqual(values[-1], samples["txdns_reply_seconds_count", ()])
        self.assertEqual(values[-1], figures.atHand + figures.waited)
        self.assertAlmostEqual(samples["txdns_reply_seconds_sum", ()], figures.latencyTotal)

    def test_upstreamsWithTheirMeasurements(self) -> None:
        """
        Each upstream is up or down, and its round trip time is omitted until it is measured.
        """
        figures = Figures()
        figures.upstreams = [
            {
                "server": "192.0.2.1:53", "way": "udp", "up": True, "rtt": 0.0125,
                "queries": 10, "replies": 7, "replySeconds": 0.25, "troubles": {"timeout": 2, "SERVFAIL": 1},
            },
            {"server": "[2001:db8::1]:53", "way": "tcp", "up": False, "rtt": None},
        ]
        samples = read(figures)
        up, down = (("server", "192.0.2.1:53"), ("way", "udp")), (("server", "[2001:db8::1]:53"), ("way", "tcp"))
        self.assertEqual((samples["txdns_upstream_up", up], samples["txdns_upstream_up", down]), (1, 0))
        self.assertEqual(samples["txdns_upstream_rtt_seconds", up], 0.0125)
        self.assertNotIn(("txdns_upstream_rtt_seconds", down), samples)
        self.assertEqual(samples["txdns_upstream_queries_total", up], 10)
        self.assertEqual(samples["txdns_upstream_reply_seconds_sum", up], 0.25)
        self.assertEqual(samples["txdns_upstream_reply_seconds_count", up], 7)
        for kind, count in (("timeout", 2), ("SERVFAIL", 1)):
            self.assertEqual(samples["txdns_upstream_failures_total", (("kind", kind), *up)], count)

    def test_authoritiesAreNoLabels(self) -> None:
        """
        Authoritative servers have no labels, however they are asked: any zone can name its own.
        """
        figures = Figures()
        figures.upstreams = [{"server": "192.0.2.1:53", "way": way, "up": True, "queries": 1} for way in ("authority", "authority, tls")]
        self.assertEqual([name for name, labels in read(figures) if "upstream" in name], [])

    def test_unassignedTypesShareOneLabel(self) -> None:
        """
        Queries are counted by type. Unassigned types, which a client may choose freely, share one label.
        """
        counters = Counters()
        for rrType in range(0, 65536, 5):
            counters.asked(b"\0", rrType)
        counters.asked(b"\0", 28)
        counters.sampled(b"id\1\0\0\1\0\0\0\0\0\0\3www\0\0\x1c\0\1", 9)
        self.assertLess(len(counters.types), 60)
        samples = {dict(labels)["type"]: value for (name, labels), value in read(figuresOf(counters)).items() if "questions" in name}
        self.assertEqual((samples["AAAA"], samples["NULL"], samples["HIP"]), (10, 1, 1))
        self.assertEqual(sum(samples.values()), 13108 + 10)
        self.assertGreater(samples["other"], 13000)

    def test_labelsAreEscaped(self) -> None:
        """
        A label is read back unchanged, including quotes and line ends.
        """
        figures = Figures()
        figures.refusals = {'a"b\\c\nd': 3}
        self.assertEqual(read(figures)["txdns_refusals_total", (("gate", 'a"b\\c\nd'),)], 3)

    def test_queryNamesAreNoLabels(self) -> None:
        """
        A flood of names adds no samples to the page, because query names are not labels.
        """
        counters = busy()
        before = len(read(figuresOf(counters)))
        for number in range(5000):
            counters.asked(b"\4%04d\0" % number, 1)
        self.assertEqual(len(read(figuresOf(counters))), before)
        page = exposition(figuresOf(counters), version="1", started=0)
        self.assertNotIn("script", page)
        self.assertEqual([name for name in HOSTILE if repr(name[1:5]) in page], [])

    def test_zonesHaveMetrics(self) -> None:
        """
        Zones have their serial number, their expiries as far as there are any, and their transfers.
        """
        zones = [ZoneFigures("example.org.", 7, None, 1.7e9, 3), ZoneFigures("example.net.", 8, 1.8e9, None, 0, 2)]
        zones.append(ZoneFigures("new.", None))
        samples = read(Figures(), zones)
        found = {(name, *[value for _, value in labels]): value for (name, labels), value in samples.items() if "txdns_zone_" in name}
        self.assertEqual(
            found,
            {
                ("txdns_zone_serial", "example.org."): 7,
                ("txdns_zone_serial", "example.net."): 8,
                ("txdns_zone_expiry_seconds", "example.net."): 1.8e9,
                ("txdns_zone_signature_expiry_seconds", "example.org."): 1.7e9,
                ("txdns_zone_transfers_total", "out", "example.org."): 3,
                ("txdns_zone_transfers_total", "in", "example.net."): 2,
            },
        )

    def test_emptyCountersAreReadable(self) -> None:
        """
        The page of a server that has counted nothing is readable.
        """
        self.assertEqual(read(Figures())["txdns_reply_seconds_count", ()], 0)
