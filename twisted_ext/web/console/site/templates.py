"""
The templates of the pages. To compile one takes some 30 ms, for which no query would be answered, so a process does it for all:
C{python -m twisted_ext.web.console.site.templates}.
"""

from __future__ import annotations

import marshal
import sys
from typing import TYPE_CHECKING, Final

from jinja2 import BytecodeCache, Environment, PackageLoader, StrictUndefined, Template
from twisted.internet.defer import CancelledError
from twisted.logger import Logger

if TYPE_CHECKING:
    from jinja2.bccache import Bucket
    from twisted.internet.defer import Deferred
    from twisted.python.failure import Failure

__all__ = ["PageTemplates", "main"]

_log: Final = Logger(__name__)

_MODULE: Final = "twisted_ext.web.console.site.templates"

#: Seconds that the process may take.
_SECONDS: Final = 60.0


class _Compiled(BytecodeCache):
    """
    What was compiled, by the keys of Jinja. Jinja looks whether it was made from the template that there is.
    """

    def __init__(self) -> None:
        self.known: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        # Jinja keeps the template, so it is needed once.
        found = self.known.pop(bucket.key, None)
        if found is not None:
            bucket.bytecode_from_string(found)

    def dump_bytecode(self, bucket: Bucket) -> None:
        self.known[bucket.key] = bucket.bytecode_to_string()


class PageTemplates:
    """
    Has the templates, compiled before they are needed if there was time for it.
    """

    def __init__(self) -> None:
        self._compiled = _Compiled()
        self._environment = Environment(
            loader=PackageLoader("twisted_ext.web.console"),
            bytecode_cache=self._compiled,
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._compiling: Deferred[None] | None = None

    def get(self, name: str) -> Template:
        return self._environment.get_template(f"{name}.html")

    def compileAll(self) -> bytes:
        """
        Compile the templates. Return what L{take} takes.
        """
        for name in self._environment.list_templates():
            self._environment.get_template(name)
        return marshal.dumps(self._compiled.known)

    def take(self, compiled: bytes) -> None:
        """
        Take what another process has compiled.
        """
        self._compiled.known = marshal.loads(compiled)

    def prepare(self, reactor: object) -> None:
        """
        Have a process compile them.
        """
        from twisted_ext.server.process.jobs.subprocess import runModule

        try:
            # Without it each is compiled when it is first shown.
            self._compiling = runModule(reactor, _MODULE, seconds=_SECONDS).addCallback(self.take).addErrback(_noCompiled)
        except OSError:
            pass

    def close(self) -> None:
        if self._compiling is not None:
            self._compiling.cancel()


def _noCompiled(failure: Failure) -> None:
    if not isinstance(failure.value, CancelledError | OSError):
        _log.failure("while the pages of the console are compiled", failure)


def main() -> None:
    sys.stdout.buffer.write(PageTemplates().compileAll())


if __name__ == "__main__":
    main()
