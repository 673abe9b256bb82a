"""
Parses the arguments of commands. A command has one table of options, which also determines abbreviations, errors and C{--help}.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, Generic, TypeVar, cast

from twisted_ext.apps.cli.terminal.exits import OK, USAGE, ExitError
from twisted_ext.errors import BadDescription, CallerFault

__all__ = ["Arguments", "Given", "Option", "didYouMean", "flag", "fullName", "number", "valueOf", "whole"]

T = TypeVar("T")

#: The length of lines of help.
_COLUMNS: Final = 96

#: Longer options have their description on the next line of help.
_LONGEST: Final = 19


class Option(Generic[T]):
    """
    An option of a command.

    @ivar names: its names, and whether each one turns it on.
    @ivar default: its value if it is not given.
    """

    __slots__ = ("spec", "help", "names", "default", "read", "what", "words")

    def __init__(
        self,
        spec: str,
        help: str,
        default: T,
        read: Callable[[str], T] | None = None,
        *,
        also: str = "",
        what: str = "a value",
        words: Sequence[str] = (),
    ) -> None:
        """
        @param spec: its name and value as in help: C{--output FILE}. C{[no-]} in the name stands for a second name, which turns it off;
            C{@SERVER} is an option without a name, whose value follows the mark.
        @param help: its description; an option without one is described in the text of the command's help.
        @param read: parses the value; may raise L{CallerFault}. L{None} if the option takes no value.
        @param also: other names.
        @param what: describes the value in the error that it is missing.
        @param words: the usual values, if there are few, for the completion of shells.
        """
        name = spec[0] if spec[1:].isupper() and len(spec) > 2 else spec.split(" ")[0]
        self.spec = f"{name}, {also} {spec[len(name) + 1 :]}".rstrip() if also and help else spec
        self.help = help
        self.names: dict[str, bool] = {}
        for each in (name, *also.split()):
            mark, negation, rest = each.partition("[")
            if negation:
                no, _, rest = rest.partition("]")
                self.names[f"{mark}{no}{rest}"] = False
            self.names[f"{mark}{rest}"] = True
        self.default = default
        self.read = read
        self.what = what
        self.words = words


def flag(spec: str, help: str = "", *, also: str = "") -> Option[bool]:
    return Option(spec, help, False, also=also)


def number(least: float, most: float, what: str = "") -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not least <= value <= most:
            raise BadDescription(f"{text!r} is not a number{what} from {least:g} to {most:.0f}")
        return value

    return read


def whole(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) < 20 and least <= int(text) <= most):
            raise BadDescription(f"{text!r} is not a number from {least} to {most}")
        return int(text)

    return read


def valueOf(read: Callable[[str], T], text: str, name: str = "") -> T:
    """
    Return the value of an argument.

    @param name: the option that it belongs to, for the error.
    """
    try:
        return read(text)
    except CallerFault as fault:
        raise ExitError(USAGE, f"{name}: {fault}" if name else str(fault)) from fault


def didYouMean(word: str, known: Iterable[str], otherwise: str) -> str:
    """
    Return a question for the similar word that was meant, never for the word itself.

    @param otherwise: what to return if no word is similar.
    """
    from difflib import get_close_matches

    close = get_close_matches(word, [each for each in known if each != word], 1)
    return f"did you mean {close[0]}?" if close else otherwise


def fullName(word: str, known: Iterable[str], given: str) -> str | None:
    """
    Return the only one of the known names, which have no hyphens or plus signs, that C{word} abbreviates; L{None} if there is none.
    """
    beginning = [each for each in known if each.startswith(word)]
    if word in beginning or not beginning:
        return word if beginning else None
    if len(beginning) > 1:
        mark = given[: 1 if given[0] == "+" else 2]
        raise ExitError(USAGE, f"{given} may mean {' or '.join([mark + each for each in beginning])}; write it in full")
    return beginning[0]


class Given:
    """
    The parsed arguments. C{given[option]} is the value of an option, C{option in given} whether it was given.

    @ivar bare: the arguments that are not options.
    """

    __slots__ = ("bare", "_values")

    def __init__(self) -> None:
        self.bare: list[str] = []
        self._values: dict[Option[Any], list[Any]] = {}

    def add(self, option: Option[T], value: T) -> None:
        self._values.setdefault(option, []).append(value)

    def all(self, option: Option[T]) -> list[T]:
        return self._values.get(option, [])

    def __contains__(self, option: Option[Any]) -> bool:
        return option in self._values

    def __getitem__(self, option: Option[T]) -> T:
        values = self._values.get(option)
        return cast(T, values[-1]) if values else option.default


class Arguments:
    def __init__(
        self,
        help: str,
        *options: Option[Any],
        exact: bool = False,
        commands: Callable[[], str] | None = None,
        later: Callable[[], Sequence[Option[Any]]] = lambda: (),
    ) -> None:
        """
        @param help: its help, which begins with C{Usage:}; C{{options}} in it is replaced by the table of options.
        @param exact: take no abbreviated names, for commands that change something.
        @param commands: returns what replaces C{{commands}}.
        @param later: returns further options, which take time to load: only if what was given is none of the others, or if all are wanted.
        """
        self._help = help
        self._commands = commands
        self._exact = exact
        self._later = later
        self._take(options)

    def _take(self, options: Sequence[Option[Any]]) -> None:
        self._options = options
        self._names = {name: option for option in options for name in option.names}
        self._long = {name.lstrip("+-"): name for name in self._names if len(name) > 2}

    def _load(self) -> bool:
        """
        Load the further options; return whether there are any.
        """
        later, self._later = self._later(), lambda: ()
        self._take((*self._options, *later))
        return bool(later)

    @property
    def options(self) -> Sequence[Option[Any]]:
        self._load()
        return self._options

    @property
    def usage(self) -> str:
        forms = self._help.partition("\n\n")[0].removeprefix("Usage: ").replace("\n       txdns", "\0")
        return " ".join(forms.partition("\0")[0].split())

    @property
    def help(self) -> str:
        if self._commands is not None:
            return self._help.replace("{commands}", self._commands())
        if "{options}" not in self._help:
            return self._help
        from textwrap import wrap

        shown = [option for option in self._options if option.help]
        column = min(max([len(option.spec) for option in shown]), _LONGEST) + 4
        lines: list[str] = []
        for option in shown:
            head = f"  {option.spec}"
            if len(head) > column - 2:
                lines.append(head)
                head = ""
            for text in wrap(option.help, _COLUMNS - column, break_on_hyphens=False):
                lines.append(f"{head:<{column}}{text}")
                head = ""
        return self._help.replace("{options}", "\n".join(lines))

    def showHelp(self, words: Sequence[str]) -> None:
        if "-h" in words or "--help" in words:
            print(self.help, end="", flush=True)
            raise ExitError(OK)

    def parse(self, words: Sequence[str]) -> Given:
        self.showHelp(words)
        given = Given()
        for option, name, text in self.each(words):
            if option is None:
                given.bare.append(text)
            elif option.read is None:
                given.add(option, option.names[name])
            else:
                given.add(option, valueOf(option.read, text, name))
        return given

    def each(self, words: Sequence[str]) -> Iterator[tuple[Option[Any] | None, str, str]]:
        """
        Split the arguments: an option, its name and the text of its value, or L{None}, C{""} and an argument that is not an option.
        """
        remaining = iter(words)
        for word in remaining:
            if word == "--":
                yield from [(None, "", each) for each in remaining]
            elif word in ("-", "+") or word[:1] not in ("-", "+") and word[:1] not in self._names:
                yield None, "", word
            else:
                name, value = self._split(word)
                option = self._names[name]
                if option.read is None and value is not None:
                    raise ExitError(USAGE, f"{name} takes no value")
                if option.read is not None:
                    value = value or next(remaining, "")
                    if not value:
                        raise ExitError(USAGE, f"{name} must be followed by {option.what}")
                yield option, name, value or ""

    def _split(self, word: str) -> tuple[str, str | None]:
        """
        Split an option into its full name and the value in the same argument, L{None} if there is none.
        """
        names = self._names
        if word[0] in names:
            return word[0], word[1:]
        if word[0] == "+" or word.startswith("--"):
            name, equals, value = word.partition("=")
            rest = name.lstrip("+-").lower()
            # Each command takes both --json and +json.
            full = fullName(rest, self._long, name) if rest and not self._exact else rest if rest in self._long else None
            if full is not None:
                return self._long[full], value if equals else None
        elif word in names:
            return word, None
        elif word[:2] in names and names[word[:2]].read is not None:
            return word[:2], word[2:]
        if self._load():
            return self._split(word)
        every = [each for each in names if len(each) > 1]
        listed = f"the options are {', '.join(every[:-1])} and {every[-1]}" if len(every) > 1 else f"the only option is {every[0]}"
        raise ExitError(USAGE, f"{word!r} is not an option; {didYouMean(word, every, listed)}")
