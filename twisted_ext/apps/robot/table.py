"""
Tables of the robot's settings file: each is a class whose attributes declare the keys.

Secrets are read from files or the environment, so that the settings file itself can be shown.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, ClassVar, Final, Self, TypeVar, cast

from twisted_ext.errors import BadDescription
from twisted_ext.files import openNow
from twisted_ext.server.config.setting import Setting
from twisted_ext.server.config.types import Value

if TYPE_CHECKING:
    from twisted_ext.server.config.types import Kind, Value

__all__ = ["SECRET", "Secret", "Table", "option"]

_V = TypeVar("_V")

#: Characters of a secret in a file or the environment.
_SECRET_CHARACTERS: Final = 1000


class Secret(str):
    """
    A secret. Its C{repr} does not contain it.

    @ivar origin: where it comes from, as in the settings file.
    """

    __slots__ = ("origin",)

    origin: str

    def __repr__(self) -> str:
        return "<secret>"


class _SecretKind:
    allowed: str = '{file = "PATH"} or {env = "NAME"}'

    def fromText(self, text: str) -> Value:
        # The text may be the secret: do not repeat it.
        raise BadDescription(f"takes {self.allowed}, not the secret itself")

    def fromTOML(self, value: object, folder: str = "") -> Value:
        match value:
            case {"file": str(path), **others} if not others and path:
                found = _read(os.path.join(folder, path), self.allowed)
                origin = f'file "{path}"'
            case {"env": str(name), **others} if not others:
                if name not in os.environ:
                    raise BadDescription(f"takes {self.allowed}; the environment has no variable {name!r}")
                found = os.environ[name]
                origin = f"environment variable {name}"
            case _:
                return self.fromText("")
        found = found.strip()
        if not found or not found.isprintable() or len(found) > _SECRET_CHARACTERS:
            raise BadDescription(
                f"takes {self.allowed}; the {origin} has to hold one line of at most {_SECRET_CHARACTERS} printable characters"
            )
        secret = Secret(found)
        secret.origin = origin
        return secret


def _read(path: str, allowed: str) -> str:
    try:
        with open(path, "rb", opener=openNow) as opened:
            return opened.read(_SECRET_CHARACTERS * 4 + 1).decode("utf-8")
    except OSError as error:
        raise BadDescription(f"takes {allowed}; {path}: {error.strerror or error}") from None
    except ValueError:
        raise BadDescription(f"takes {allowed}; {path} does not hold text in UTF-8") from None


#: The kind of options that are secrets.
SECRET: Final = _SecretKind()


def option(kind: Kind, default: _V | None, help: str) -> _V:
    """
    Declare a key of a L{Table}: its name is that of the attribute, with hyphens for capitals.

    @param kind: one of L{twisted_ext.server.config.types}, or any object with C{allowed} and C{fromTOML}.
    @param default: its type is that of the attribute; a tuple if the key takes a list. L{None} if the key must be there.
    @param help: one sentence for the documentation.
    """
    return cast("_V", Setting("", kind, cast("Value", default), help))


class Table:
    """
    A table of settings, with a value for each key.

    @cvar tables: the names of tables within it, which L{check} leaves alone.
    """

    tables: ClassVar[tuple[str, ...]] = ()

    def __init__(self, values: Mapping[str, Value] | None = None) -> None:
        """
        @param values: checked values by the names of their keys; the others have their defaults.
        """
        self._assign(values or {})

    @classmethod
    def declared(cls) -> dict[str, Setting]:
        """
        Return the declarations, by key.
        """
        found = {name: value for base in reversed(cls.__mro__) for name, value in vars(base).items()}
        return {setting.name: setting for setting in found.values() if isinstance(setting, Setting)}

    @classmethod
    def check(cls, table: Mapping[str, object], folder: str = "") -> tuple[dict[str, Value], list[tuple[str, str]]]:
        """
        Check a table of a TOML file.

        @param folder: the base of relative paths.

        @return: the values that are valid, and for each fault its key, and the fault in words that begin with the key.
        """
        declared = cls.declared()
        values: dict[str, Value] = {}
        wrong: list[tuple[str, str]] = []
        for key, value in table.items():
            setting = declared.get(key)
            if key in cls.tables:
                continue
            if setting is None:
                known = [*declared, *cls.tables]
                close = get_close_matches(key.lower().replace("_", "-"), known, 1)
                wrong.append((key, f"{key}: there is no such key; " + (f"did you mean {close[0]}?" if close else _listed(known))))
                continue
            try:
                values[key] = setting.fromTOML(value, folder)
            except BadDescription as fault:
                wrong.append((key, f"{key} {fault}"))
        for key, setting in declared.items():
            if cast(object, setting.default) is None and key not in table:
                wrong.append((key, f"{key} is missing; it takes {setting.kind.allowed}"))
        return values, wrong

    @classmethod
    def fromTable(cls, table: Mapping[str, object], folder: str = "") -> Self:
        """
        @raise BadDescription: one line for each fault.
        """
        made = cls()
        made.readFrom(table, folder)
        return made

    def readFrom(self, table: Mapping[str, object], folder: str = "") -> None:
        """
        Set all keys: those that a table of a TOML file lacks to their defaults.

        @raise BadDescription: one line for each fault; nothing is set.
        """
        values, wrong = self.check(table, folder)
        if wrong:
            raise BadDescription("\n".join([said for _, said in wrong]))
        self._assign(values)

    def values(self) -> dict[str, Value]:
        """
        Return the values by the names of their keys.
        """
        return {key: cast("Value", getattr(self, setting.attribute)) for key, setting in self.declared().items()}

    def agreesWith(self, table: Mapping[str, object], folder: str = "") -> bool:
        """
        Return whether a table of a TOML file is valid and has the values that are set.
        """
        values, wrong = self.check(table, folder)
        return not wrong and {key: values.get(key, setting.default) for key, setting in self.declared().items()} == self.values()

    def _assign(self, values: Mapping[str, Value]) -> None:
        for key, setting in self.declared().items():
            setattr(self, setting.attribute, values.get(key, setting.default))


def _listed(known: Collection[str]) -> str:
    return f"there are {', '.join(known)}" if known else "this table takes none"
