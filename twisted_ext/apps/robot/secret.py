"""
Secrets in the settings: read from files or the environment, so that the settings file itself can be shown.
"""

from __future__ import annotations

import os
from typing import Final

from twisted_ext.errors import BadDescription
from twisted_ext.files import openNow
from twisted_ext.server.config.types import Value

__all__ = ["SECRET", "Secret"]

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
