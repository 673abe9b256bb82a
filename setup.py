"""
Builds the package, which setup.cfg describes. With C{TXDNS_COMPILE=1} in the environment, mypyc compiles the modules listed here into the
wheel, from the same source that runs without it; this takes a C compiler and some minutes. C{TXDNS_OPTIMIZE=1} has the C compiler optimize
less, which takes three fifths of the time. Only wheels are compiled: an editable checkout and a build in place hold no compiled file, which
would hide its source.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from configparser import ConfigParser
from glob import glob

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

#: The modules that are compiled: those that a query, a record of a zone or a reply passes through.
COMPILED = (
    "twisted_ext/aliases.py",
    "twisted_ext/answers.py",
    "twisted_ext/apps/cli/bulk/flow.py",
    "twisted_ext/apps/cli/bulk/input.py",
    "twisted_ext/apps/cli/bulk/output.py",
    "twisted_ext/cache/*.py",
    "twisted_ext/compat/conversion/names.py",
    "twisted_ext/compat/conversion/results.py",
    "twisted_ext/compat/lookups/start.py",
    "twisted_ext/dnssec/*.py",
    "twisted_ext/dnssec/denial/*.py",
    "twisted_ext/dnssec/privatekeys/*.py",
    "twisted_ext/metrics/*.py",
    "twisted_ext/outcomes.py",
    "twisted_ext/packetcache/*.py",
    "twisted_ext/ratecontrol.py",
    "twisted_ext/recursion/*.py",
    "twisted_ext/resolver/ask.py",
    "twisted_ext/resolver/caching/*.py",
    "twisted_ext/resolver/combine/aliasfollower.py",
    "twisted_ext/resolver/combine/chain.py",
    "twisted_ext/resolver/combine/designating.py",
    "twisted_ext/resolver/combine/replaceable.py",
    "twisted_ext/resolver/forward/*.py",
    "twisted_ext/resolver/local/hosts.py",
    "twisted_ext/resolver/local/specialnames.py",
    "twisted_ext/resolver/lookup/domainlimit.py",
    "twisted_ext/resolver/lookup/stream.py",
    "twisted_ext/resolver/sources.py",
    "twisted_ext/server/authority/*.py",
    "twisted_ext/server/features/queryhistory/recording.py",
    "twisted_ext/server/features/querylog/log.py",
    "twisted_ext/server/features/views/selectors.py",
    "twisted_ext/server/listeners/*.py",
    "twisted_ext/server/listeners/https/*.py",
    "twisted_ext/server/lookup/upstreams.py",
    "twisted_ext/server/reply/*.py",
    "twisted_ext/server/zones/compilers.py",
    "twisted_ext/server/zones/imagefiles.py",
    "twisted_ext/server/zones/loader.py",
    "twisted_ext/server/zones/pending.py",
    "twisted_ext/server/zones/publish.py",
    "twisted_ext/transport/*.py",
    "twisted_ext/wire/*.py",
    "twisted_ext/wire/rdata/canonical.py",
    "twisted_ext/wire/rdata/text.py",
    "twisted_ext/zone/*.py",
    "twisted_ext/zone/*/*.py",
)

_STARTED = "it is started as a process by python -m, which only starts source; its work is in compiled modules"
_LIMITS = "limits are looked up where they apply, so that tests can lower them"

#: Modules among these that stay interpreted, each with the reason.
INTERPRETED = {
    "twisted_ext/dnssec/limits.py": _LIMITS,
    "twisted_ext/metrics/limits.py": _LIMITS,
    "twisted_ext/recursion/limits.py": _LIMITS,
    "twisted_ext/server/listeners/https/serving.py": "its class and that of TLS are bases of one, and compiled classes have one base",
    "twisted_ext/server/listeners/sockets.py": "it runs once, when a server starts",
    "twisted_ext/server/listeners/unixport.py": "its class extends socket.socket",
    "twisted_ext/server/reply/opcodes.py": "its protocols are checked at run time",
    "twisted_ext/wire/options.py": "its classes are registered when they are defined, and applications extend them",
    "twisted_ext/wire/tokens.py": "it is only used for text",
    "twisted_ext/zone/build/compaction.py": _STARTED,
    "twisted_ext/zone/build/compiler.py": _STARTED,
    "twisted_ext/zone/transfer/ingestjob.py": _STARTED,
    "twisted_ext/zone/limits.py": _LIMITS,
}


def compiledModules() -> list[str]:
    found = {path for pattern in COMPILED for path in glob(pattern)}
    return sorted(found - set(INTERPRETED))


#: The extension written in C. What it does is done in Python where it is missing.
NATIVE = Extension(
    "twisted_ext.native._extension",
    ["twisted_ext/native/_extension.c", "twisted_ext/native/_replies.c"],
    depends=["twisted_ext/native/_native.h"],
    py_limited_api=True,
    optional=True,
)

#: Options with which the compiled modules, which are linked into one file, call each other and Python directly. By default each call looks
#: up a function that another library may replace, which takes a twentieth of the time of a look-up.
DIRECT = ["-fvisibility=hidden", "-fno-plt"]

#: The compiler, and the plugin by which it understands interfaces, in the versions with which this source was tested.
COMPILER = ("mypy[mypyc] == 2.4.1", "mypy-zope == 1.0.17")

#: The extras whose libraries the compiled modules, and those that they import, use.
TYPED = ("shell", "cli", "robot", "https", "quic", "qr")


def compilerRequirements() -> list[str]:
    """
    Return what has to be installed while modules are compiled: the compiler, and the libraries whose types it reads.
    """
    settings = ConfigParser()
    settings.read("setup.cfg", "utf-8")
    lists = [settings["options"]["install_requires"], *[settings["options.extras_require"][extra] for extra in TYPED]]
    return [*COMPILER, *[line for text in lists for line in text.splitlines() if line]]


class BuildExtensions(build_ext):
    """
    Compiles extensions, and the C files of each, on all cores. Setuptools does so with extensions only, and one has nearly all files.
    """

    def build_extensions(self) -> None:
        compileInTurn = self.compiler.compile
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        self.parallel = cores
        with ThreadPoolExecutor(cores) as pool:

            def compileAll(sources: Sequence[str], **options: object) -> list[str]:
                compiled = pool.map(lambda source: compileInTurn([source], **options), sources)
                return [name for names in compiled for name in names]

            self.compiler.compile = compileAll
            super().build_extensions()


# Builds of metadata and of editable wheels run this file too.
if os.environ.get("TXDNS_COMPILE") != "1":
    setup()
elif "bdist_wheel" not in sys.argv:
    setup(setup_requires=compilerRequirements())
else:
    from mypyc.build import mypycify

    modules = mypycify(
        ["--config-file", "pyproject.toml", *compiledModules()],
        multi_file=True,
        group_name="twisted_ext",
        opt_level=os.environ.get("TXDNS_OPTIMIZE", "3"),
        debug_level="0",
    )
    if sys.platform == "linux":
        for module in modules:
            module.extra_compile_args += DIRECT
    setup(ext_modules=[*modules, NATIVE], cmdclass={"build_ext": BuildExtensions})
