"""
Requests about TSIG keys: those of the settings are shown, others are added, changed and removed.
"""

from __future__ import annotations

import binascii
import os
from base64 import b64encode
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import msgspec
from twisted.internet.defer import Deferred, DeferredLock

from twisted_ext.errors import BadDescription, BadName
from twisted_ext.server.config.addedkeys import addedKeys, addedKeysPath, algorithmOf, keepKeys
from twisted_ext.server.config.keys import Keys
from twisted_ext.web.api.site.replies import ApiRefusal, ApiReply, bodyOf
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.wire.tsig import ALGORITHMS, Key

if TYPE_CHECKING:
    from twisted_ext.metrics.figures import JSON
    from twisted_ext.server.zones.load.zonesets import ZoneSets
    from twisted_ext.server.zones.update.commit import Elsewhere
    from twisted_ext.web.api.site.site import ApiAsked

__all__ = ["TSIGKeys"]

#: Octets of a secret that is made here, as in PowerDNS, and the most of one that is given.
_SECRET: Final = 64
_LONGEST: Final = 1024

#: Keys that may be added: each message that is signed looks for its key, and each of them is written with each change.
_MOST: Final = 1000


class KeyBody(msgspec.Struct):
    """
    A key.
    """

    name: str | None = None
    algorithm: str | None = None
    key: str | None = None


class TSIGKeys:
    """
    Replies to these requests.
    """

    def __init__(self, zoneSets: ZoneSets, elsewhere: Elsewhere) -> None:
        self._zoneSets = zoneSets
        self._elsewhere = elsewhere
        self._changes = DeferredLock()

    # -- reading

    def all(self, asked: ApiAsked) -> ApiReply:
        """
        Show all keys, without their secrets.
        """
        return ApiReply(body=[_shown(key, secret=False) for key in (self._zoneSets.keys or Keys()).values()])

    def one(self, asked: ApiAsked, name: str) -> ApiReply:
        asked.expectScope("admin")
        return ApiReply(body=_shown(self._keyOf(name)))

    def _keyOf(self, text: str) -> Key:
        """
        @raise ApiRefusal: there is no such key.
        """
        found = (self._zoneSets.keys or Keys()).get(_nameOf(text, 404))
        if found is None:
            raise ApiRefusal(404, f"TSIG key with name '{text.removesuffix('.')}' not found")
        return found

    # -- changing

    def create(self, asked: ApiAsked) -> Deferred[ApiReply]:
        asked.expectScope("admin")
        body = bodyOf(asked.body, KeyBody)
        for field, value in {"name": body.name, "algorithm": body.algorithm}.items():
            if value is None:
                raise ApiRefusal(422, f"Key '{field}' not present or not a String")
        name = _nameOf(body.name or "", 422)
        key = Key(name, _secretOf(body.key) if body.key else os.urandom(_SECRET), _algorithmOf(body.algorithm or "", 400))

        def change(keys: dict[bytes, Key]) -> None:
            if name in keys or name in (self._zoneSets.keys or ()):
                raise ApiRefusal(409, f"A TSIG key with the name '{nameToText(name)}' already exists")
            if len(keys) >= _MOST:
                raise ApiRefusal(422, f"there are {_MOST} keys, which is the most; remove some")
            keys[name] = key

        return self._change(asked, change, lambda: ApiReply(201, _shown(key)))

    def alter(self, asked: ApiAsked, text: str) -> Deferred[ApiReply]:
        asked.expectScope("admin")
        body = bodyOf(asked.body, KeyBody)
        former = self._keyOf(text)
        name = _nameOf(body.name, 422) if body.name else former.name
        secret = _secretOf(body.key) if body.key else former.secret
        key = Key(name, secret, _algorithmOf(body.algorithm, 422) if body.algorithm else former.algorithm)

        def change(keys: dict[bytes, Key]) -> None:
            _expectAdded(keys, former)
            if name != former.name and name in (self._zoneSets.keys or ()):
                raise ApiRefusal(409, f"A TSIG key with the name '{nameToText(name)}' already exists")
            del keys[former.name]
            keys[name] = key

        return self._change(asked, change, lambda: ApiReply(body=_shown(key)))

    def remove(self, asked: ApiAsked, text: str) -> Deferred[ApiReply]:
        asked.expectScope("admin")
        former = self._keyOf(text)

        def change(keys: dict[bytes, Key]) -> None:
            _expectAdded(keys, former)
            del keys[former.name]

        return self._change(asked, change, lambda: ApiReply(204))

    def _change(self, asked: ApiAsked, change: Callable[[dict[bytes, Key]], None], reply: Callable[[], ApiReply]) -> Deferred[ApiReply]:
        """
        Change the keys that were added, and have all zones served with them. If one of those needs a key that would not be there, nothing
        is changed.
        """
        asked.told = {"key": asked.segments[-1] if len(asked.segments) > 4 else ""}

        async def changing() -> ApiReply:
            settings = self._zoneSets.common.list.settings
            path = addedKeysPath(settings)
            if not path:
                raise ApiRefusal(422, "keys are added to a server with state, the folder where they are kept")
            former = await self._elsewhere(lambda: addedKeys(settings))
            assert isinstance(former, list)
            keys = {key.name: key for key in former}
            change(keys)
            # Such as one that is too weak.
            Keys(keys.values(), weak=settings.weakKeys)
            await self._elsewhere(lambda: keepKeys(path, keys.values()))
            try:
                await self._zoneSets.rekey()
            except BadDescription:
                await self._elsewhere(lambda: keepKeys(path, former))
                await self._zoneSets.rekey()
                raise
            return reply()

        return self._changes.run(lambda: Deferred.fromCoroutine(changing()))


def _expectAdded(keys: dict[bytes, Key], key: Key) -> None:
    """
    @raise ApiRefusal: the key is one of the settings.
    """
    if key.name not in keys:
        raise ApiRefusal(409, f"{nameToText(key.name)} is in key-file; change it there")


def _shown(key: Key, secret: bool = True) -> dict[str, JSON]:
    return {
        "type": "TSIGKey",
        "id": nameToText(key.name).replace("/", "=2F"),
        "name": nameToText(key.name, final=False),
        "algorithm": algorithmOf(key),
        "key": b64encode(key.secret).decode("ascii") if secret else "",
    }


def _nameOf(text: str, code: int) -> bytes:
    """
    @param code: the status if it is not valid.
    """
    try:
        return nameFromText(text.replace("=2F", "/")).lower()
    except BadName as fault:
        raise ApiRefusal(code, f"Unable to parse TSIG key name '{text}': {fault}") from None


def _algorithmOf(text: str, code: int) -> bytes:
    found = ALGORITHMS.get(text.lower().rstrip("."))
    if found is None:
        raise ApiRefusal(code, f"{'Invalid' if code == 400 else 'Unknown'} TSIG algorithm: {text}")
    return found


def _secretOf(text: str) -> bytes:
    # The text is not repeated: it may be a secret with one character too many.
    try:
        secret = binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        raise ApiRefusal(422, "the content of the key cannot be base64-decoded") from None
    if not 0 < len(secret) <= _LONGEST:
        raise ApiRefusal(422, f"a key has 1 to {_LONGEST} octets, not {len(secret)}")
    return secret
