"""
Tests of a hook.
"""

from quarantine import wall


def test_wall(internet, hooked):
    internet.zone("example.com", "www A 198.51.100.80")
    assert hooked(wall, "www.example.com", client="10.0.0.7").records == ("A 203.0.113.80",)
    assert hooked(wall, "www.example.com", client="10.0.0.8").records == ("A 198.51.100.80",)


def test_itGoesByWhatItTakes(hooked):
    hooked.check(wall)
