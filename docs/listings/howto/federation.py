"""
Find homeservers as Synapse does.

    python federation.py example.com
"""

import sys

from synapse.http.federation.srv_resolver import SrvResolver
from synapse.logging.context import LoggingContext
from twisted.internet import task
from twisted.internet.error import ConnectError

from twisted_ext import client


async def main(reactor, *domains):
    resolver = SrvResolver(dns_client=client.getResolver())
    with LoggingContext(name="main", server_name="here"):
        for domain in domains:
            try:
                servers = await resolver.resolve_service(b"_matrix-fed._tcp." + domain.encode())
            except ConnectError as error:
                print(f"{domain}: {error}")
            else:
                print(f"{domain}: {' '.join(f'{server.host.decode()}:{server.port}' for server in servers) or 'no records'}")


task.react(main, sys.argv[1:])
