"""
Run an asyncio program with another resolver.

    python asyncio_start.py RESOLVER PROGRAM
"""

import asyncio
import runpy
import sys

from twisted_ext import asyncio as looping

loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
looping.install(loop, resolver=sys.argv[1])
runpy.run_path(sys.argv[2], run_name="__main__")
