"""
Tests of the checks that are done when a server loads a zone.
"""

from __future__ import annotations

import json
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.zone.plain import HEAD
from twisted_ext.zone.compiling import Compiling

WRONG = "$TTL 60\n" + HEAD + "www A 192.0.2.1\nwww CNAME elsewhere.test.\n"
ODD = "$TTL 60\n" + HEAD + "www CNAME nobody\n"


class LoadingTests(SynchronousTestCase):
    """
    Tests of images.
    """

    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.image = self.folder / "zone.image"

    def load(self, text: str, now: float | None = None) -> dict[str, object]:
        """
        @return: what comes of making the image of a zone.
        """
        path = self.folder / "zone"
        path.write_text(text)
        job = {"name": "example.", "path": str(path), "image": str(self.image), "now": now}
        return Compiling().perform(json.dumps(job).encode())

    def complaints(self, result: dict[str, object]) -> list[tuple[object, object]]:
        """
        @return: line and level of each.
        """
        complaints = result["complaints"]
        assert isinstance(complaints, list)
        return [(each["line"], each["fatal"]) for each in complaints]

    def test_refused(self) -> None:
        """
        A zone with a name of two meanings is not made ready, and what was made ready before stays.
        """
        self.assertIn("image", self.load("$TTL 60\n" + HEAD))
        before = self.image.read_bytes()
        result = self.load(WRONG)
        self.assertNotIn("image", result)
        self.assertEqual(self.complaints(result), [(5, True)])
        self.assertEqual(self.image.read_bytes(), before)

    def test_told(self) -> None:
        """
        What is only odd is told, and served.
        """
        result = self.load(ODD)
        self.assertIn("image", result)
        self.assertEqual(self.complaints(result), [(4, False)])

    def test_packed(self) -> None:
        """
        The same is refused where many zones are made ready together.
        """
        path = self.folder / "zone"
        path.write_text(WRONG)
        compiling = Compiling()
        compiling.perform(json.dumps({"pack": str(self.folder / "pack")}).encode())
        result = compiling.perform(json.dumps({"name": "example.", "path": str(path)}).encode())
        self.assertNotIn("image", result)
        self.assertEqual(compiling.end()["octets"], 0)
