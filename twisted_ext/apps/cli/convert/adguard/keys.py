"""
The keys of C{AdGuardHome.yaml}, with their values and the lines that they are in.

They are read event by event: no object is made of what a file says, and nothing calls itself for each level.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from twisted_ext.apps.cli.convert.converted import Converted, Place
from twisted_ext.apps.cli.convert.limits import BLOCK_DEPTH, WORDS
from twisted_ext.apps.cli.convert.words import numberFrom
from twisted_ext.errors import BadDescription

if TYPE_CHECKING:
    from yaml.events import Event

__all__ = ["Key", "Table", "keysIn"]

_NOTHING: Final = ("", "~", "null")


@dataclass(slots=True, eq=False)
class Key:
    """
    A value, and where it is.

    @ivar name: its key, with those that it is below: C{dns.port}; that of the array for what is in one.
    @ivar value: its text, the values of an array, or those of a table by their keys; L{None} for nothing.
    """

    name: str
    file: str
    line: int
    value: str | list[Key] | dict[str, Key] | None = None

    @property
    def text(self) -> str:
        return self.value if isinstance(self.value, str) else ""

    @property
    def place(self) -> Place:
        return Place(self.file, self.line, self.name)

    @property
    def placeOfText(self) -> Place:
        """
        The place of one of many values, with its own text.
        """
        return Place(self.file, self.line, " ".join(self.text.split()))


def keysIn(text: str, path: str, deepest: int = int(BLOCK_DEPTH.default), most: int = int(WORDS.default)) -> Key:
    """
    Read a file.

    @return: the table of all keys.

    @raise BadDescription: it is not YAML, has more than one document, or is nested too deeply; it has what AdGuard Home does not write:
        anchors, and keys that are no text or are there twice; or the library is missing.
    """
    try:
        import yaml
    except ImportError as error:
        raise BadDescription("AdGuardHome.yaml needs yaml, which is not installed: pip install 'twisted-ext[yaml]'") from error
    try:
        root = _tree(yaml.parse(text, Loader=yaml.SafeLoader), path, deepest, most)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise BadDescription(f"{path}:{line}: {error.problem}") from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise BadDescription(f"{path}: {' '.join(str(error).split())}") from None
    if not isinstance(root.value, dict):
        raise BadDescription(f"{path}: this is not a table of keys")
    return root


def _tree(events: Iterator[Event], path: str, deepest: int, most: int) -> Key:
    from yaml import events as kinds

    root = Key("", path, 0)
    # What is open, and of a table the key whose value comes next.
    within: list[tuple[Key, list[str]]] = []
    documents = 0
    for count, event in enumerate(events):
        line = event.start_mark.line + 1
        if isinstance(event, kinds.CollectionEndEvent):
            within.pop()
        elif isinstance(event, kinds.DocumentStartEvent):
            documents += 1
        if documents > 1 or count > most:
            raise BadDescription(f"{path}:{line}: the file has {'more than one document' if documents > 1 else f'more than {most} values'}")
        if not isinstance(event, kinds.NodeEvent):
            continue
        if event.anchor is not None:
            raise BadDescription(f"{path}:{line}: anchors and aliases are not read; AdGuard Home writes none")
        made = _valueOf(event, path, line)
        _put(made, within, root)
        if isinstance(event, kinds.CollectionStartEvent):
            if len(within) >= deepest:
                raise BadDescription(f"{path}:{line}: this is nested more than {deepest} levels deep")
            within.append((made, []))
    return root


def _valueOf(event: Event, path: str, line: int) -> Key:
    from yaml import events as kinds

    made = Key("", path, line)
    if isinstance(event, kinds.ScalarEvent):
        # Only what is not quoted can be nothing.
        made.value = None if event.style is None and event.value.lower() in _NOTHING else event.value
    elif isinstance(event, kinds.SequenceStartEvent):
        made.value = []
    else:
        made.value = {}
    return made


def _put(made: Key, within: list[tuple[Key, list[str]]], root: Key) -> None:
    """
    Put a value where it belongs: into the array or the table that is open, as a key or as the value of one.
    """
    if not within:
        # An end pops what was opened: the values of the file's own table are the root's, which is the whole file.
        root.value = made.value
        return
    parent, waiting = within[-1]
    if isinstance(parent.value, list):
        made.name = parent.name
        parent.value.append(made)
        return
    assert isinstance(parent.value, dict)
    if waiting:
        word = waiting.pop()
        made.name = f"{parent.name}.{word}" if parent.name else word
        made.line = parent.value[word].line
        parent.value[word] = made
        return
    if not isinstance(made.value, str):
        raise BadDescription(f"{made.file}:{made.line}: a key has to be a text")
    if made.value in parent.value:
        raise BadDescription(f"{made.file}:{made.line}: {made.value!r} is there twice")
    parent.value[made.value] = made
    waiting.append(made.value)


class Table:
    """
    A table that knows which of its keys were asked for. A value of another kind than that which is asked for is a finding.
    """

    def __init__(self, key: Key, converted: Converted, asked: list[Table]) -> None:
        """
        @param asked: gets this table, and all tables in it that are asked for.
        """
        self.key = key
        self._converted = converted
        self._asked = asked
        self._known: set[str] = set()
        # Keys are asked for several times, but wrong once.
        self._wrong: set[int] = set()
        asked.append(self)

    @property
    def keys(self) -> dict[str, Key]:
        return self.key.value if isinstance(self.key.value, dict) else {}

    def get(self, name: str) -> Key | None:
        self._known.add(name)
        return self.keys.get(name)

    def has(self, name: str) -> bool:
        return name in self.keys

    def place(self, name: str) -> Place:
        found = self.get(name)
        above = f"{self.key.name}.{name}" if self.key.name else name
        return Place(self.key.file, self.key.line, above) if found is None else found.place

    def unknown(self) -> Iterator[Key]:
        """
        Iterate over the keys that were not asked for.
        """
        yield from [key for name, key in self.keys.items() if name not in self._known]

    def know(self, *names: str) -> None:
        self._known.update(names)

    def text(self, name: str, default: str = "") -> str:
        found = self.get(name)
        if found is None or found.value is None:
            return default
        if not isinstance(found.value, str):
            self._bad(found, "a text")
            return default
        return found.value

    def flag(self, name: str, default: bool = False) -> bool:
        text = self.text(name)
        if text.lower() in ("true", "false"):
            return text.lower() == "true"
        if text:
            self._bad(self.keys[name], "true or false")
        return default

    def number(self, name: str, default: int = 0) -> int:
        text = self.text(name)
        number = numberFrom(text)
        if text and number is None:
            self._bad(self.keys[name], "a number")
        return default if number is None else number

    def texts(self, name: str) -> list[Key]:
        """
        Return the texts of an array that are not empty. A text alone is read as an array of one.
        """
        found = self.get(name)
        if found is None or found.value is None:
            return []
        values = [found] if isinstance(found.value, str) else found.value
        if isinstance(values, dict):
            self._bad(found, "an array of texts")
            return []
        for each in values:
            if isinstance(each.value, list | dict):
                self._bad(each, "a text")
        return [each for each in values if each.text.strip()]

    def table(self, name: str) -> Table:
        """
        Return a table in this one, one without keys if there is none.
        """
        found = self.get(name)
        if found is None or not isinstance(found.value, dict):
            if found is not None and found.value is not None:
                self._bad(found, "a table")
            place = self.place(name)
            found = Key(place.directive, place.file, place.line, {})
        return Table(found, self._converted, self._asked)

    def tables(self, name: str) -> list[Table]:
        """
        Return the tables of an array.
        """
        found = self.get(name)
        if found is None or found.value is None:
            return []
        if not isinstance(found.value, list):
            self._bad(found, "an array of tables")
            return []
        for each in found.value:
            if not isinstance(each.value, dict):
                self._bad(each, "a table")
        return [Table(each, self._converted, self._asked) for each in found.value if isinstance(each.value, dict)]

    def _bad(self, key: Key, wanted: str) -> None:
        if id(key) not in self._wrong:
            self._wrong.add(id(key))
            self._converted.wrong(key.place, f"this is not {wanted}")
