"""
The JSON schema of settings files says of random files what the server says.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from tests.test_architecture import ROOT
from twisted_ext.errors import BadDescription
from twisted_ext.server.config import types
from twisted_ext.server.config.setting import DECLARED, Setting
from twisted_ext.server.settings.schema import schemaOf
from twisted_ext.server.settings.tomlfile import documentIn, valuesFromTOML

#: A value as TOML has it. No float is a whole number: JSON does not tell it from an integer, and TOML does.
Value = object

_TEXTS = (
    *("", "yes", "no", "x", "auto", "forward", "strict", "json", "api", "follow", "require", "64M", "1G", "12", "12h", "1d", "any", "tls"),
    *("192.0.2.1", "192.0.2.0/24", "2001:db8::1", "example.org", "example.org=192.0.2.1", "name", "www.example A 192.0.2.1", "key=a"),
)

_NUMBERS = (-1, 0, 1, 2, 3, 10, 53, 100, 5000, 70_000, 10**7, 10**12, 0.5, 1.5, 99.5, -0.5)

SCHEMA = Draft202012Validator(schemaOf(DECLARED.all))


def _value(dice: random.Random, setting: Setting, deep: bool = True) -> Value:
    """
    Return a value, which half of the time is of the right type.
    """
    kind = setting.kind
    if dice.randrange(2):
        if isinstance(kind, types.Flag):
            return dice.random() < 0.5
        if isinstance(kind, types.Number):
            return dice.choice((kind.limit.least, kind.limit.most, kind.limit.most + 1, kind.limit.least - 1, *_NUMBERS))
        if isinstance(kind, types.Choice):
            return [dice.choice(kind.words)] if setting.many else dice.choice(kind.words)
        if isinstance(kind, types.Table) and deep:
            rows = [_row(dice, kind) for _ in range(dice.randrange(1, 3))]
            return dice.choice((rows, rows[0]))
        return [dice.choice(_TEXTS)] if setting.many else dice.choice(_TEXTS)
    return dice.choice(
        (
            True,
            dice.choice(_NUMBERS),
            dice.choice(_TEXTS),
            [dice.choice(_TEXTS) for _ in range(dice.randrange(3))],
            [dice.choice(_NUMBERS)],
            [["x"]],
            {dice.choice(("name", "example.org", "x")): dice.choice(("192.0.2.1", 5, ["192.0.2.1"], [5]))},
            [{"name": "a"}],
        )
    )


def _row(dice: random.Random, kind: types.Table) -> dict[str, Value]:
    keys = [each for each in kind.load().declared() if each.name != "name"]
    row: dict[str, Value] = {"name": dice.choice(("a", "example.org", "", 5, "b"))} if dice.randrange(10) else {}
    for each in dice.sample(keys, min(len(keys), dice.randrange(4))):
        row[each.name] = _value(dice, each, False)
    return row | ({"nme": 1} if not dice.randrange(10) else {})


def _toTOML(value: Value) -> str:
    if isinstance(value, dict):
        return f"{{ {', '.join([f'{json.dumps(key)} = {_toTOML(each)}' for key, each in value.items()])} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toTOML, value))}]"
    if isinstance(value, float):
        return str(int(value)) if value == int(value) else str(value)
    return json.dumps(value)


def _isByForm(setting: Setting, value: Value) -> bool:
    """
    Return whether it can be seen without knowledge of what texts mean that a value is not valid: it is of another type, beyond a range, or
    none of a few words.
    """
    kind = setting.kind
    if isinstance(kind, types.Table):
        rows = value if isinstance(value, list) else [value]
        return any(_isRowByForm(kind, each) for each in rows)
    if setting.many:
        if isinstance(value, dict) and kind in (types.ROUTE, types.STUB, types.NEGATIVE_ANCHOR):
            return False
        values = value if isinstance(value, list) else [value]
        return not isinstance(value, (list, str)) or any(_isOneByForm(kind, each) for each in values)
    return _isOneByForm(kind, value)


def _isRowByForm(kind: types.Table, row: Value) -> bool:
    if isinstance(row, str):
        return False
    if not isinstance(row, dict):
        return True
    keys = {each.name: each for each in kind.load().declared()}
    name = row.get("name")
    if not isinstance(name, str) or not name:
        return True
    return any(key not in keys or _isByForm(keys[key], value) for key, value in row.items())


def _isOneByForm(kind: types.Kind, value: Value) -> bool:
    if isinstance(kind, types.Flag):
        return not isinstance(value, bool)
    if isinstance(kind, types.Octets) and isinstance(value, str):
        return False
    if isinstance(kind, types.Number):
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return True
        return (kind.whole and value != int(value)) or not kind.limit.least <= value <= kind.limit.most
    return not isinstance(value, str) or (isinstance(kind, types.Choice) and value not in kind.words)


def test_sameAsTheServer() -> None:
    """
    Of 2,000 random files the server takes none that the schema refuses, and the schema takes none in which form alone is wrong.
    """
    dice = random.Random(6)
    settings = [each for each in DECLARED.all if not isinstance(each.kind, (types.File, types.Store))]
    verdicts = dict.fromkeys([(isTaken, isFit) for isTaken in (True, False) for isFit in (True, False)], 0)
    for _ in range(2000):
        document: dict[str, Value] = {each.name: _value(dice, each) for each in dice.sample(settings, dice.choice((1, 1, 2, 3)))}
        if not dice.randrange(20):
            document["nonesuch"] = 1
        text = "".join([f"{key} = {_toTOML(value)}\n" for key, value in document.items()])
        isFit = SCHEMA.is_valid(documentIn(text, "txdns.toml"))
        try:
            valuesFromTOML(text, "/nonexistent/txdns.toml")
        except BadDescription:
            isTaken = False
        else:
            isTaken = True
        verdicts[isTaken, isFit] += 1
        isByForm = any(key == "nonesuch" or _isByForm(DECLARED.byName[key], value) for key, value in document.items())
        assert isFit or not isTaken, text
        assert not (isFit and isByForm), text
    assert not verdicts[True, False]
    assert min(verdicts[True, True], verdicts[False, False], verdicts[False, True]) > 150, verdicts


#: What is wrong in files that are examples of that, or that have settings of plugins.
_FAULTS = {
    "operating/wrong.toml": [
        "70000 is greater than the maximum of 65535",
        "Additional properties are not allowed ('upstraem' was unexpected)",
    ],
    "feature/txdns.toml": ["Additional properties are not allowed ('greeting' was unexpected)"],
}


#: Settings of other programs.
_OTHERS = ("robot.toml", "pihole.toml")

_LISTINGS = sorted([path for path in (ROOT / "docs" / "listings").rglob("*.toml") if path.name not in _OTHERS])


@pytest.mark.parametrize("path", _LISTINGS, ids=lambda path: str(path.relative_to(ROOT)))
def test_listings(path: Path) -> None:
    """
    The settings files of the documentation fit.
    """
    document = documentIn(path.read_text(), str(path))
    faults = sorted([error.message for error in SCHEMA.iter_errors(document)])
    assert faults == _FAULTS.get(f"{path.parent.name}/{path.name}", [])


def test_itself() -> None:
    """
    It is a valid schema, in which each setting has a description, and its default fits.
    """
    schema = json.loads(json.dumps(schemaOf(DECLARED.all)))
    Draft202012Validator.check_schema(schema)
    assert [*schema["properties"]] == [each.name for each in DECLARED.all]
    for name, said in schema["properties"].items():
        assert said["description"]
        if "default" in said:
            assert SCHEMA.is_valid({name: said["default"]}), name
