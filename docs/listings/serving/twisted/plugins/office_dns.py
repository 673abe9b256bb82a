"""
The command C{twistd office-dns}: the forwarder of C{twistd txdns forward}, and a web page beside it.
"""

from twisted.application import internet, service
from twisted.internet import reactor
from twisted.internet.endpoints import serverFromString
from twisted.plugin import IPlugin
from twisted.web import server, static
from zope.interface import implementer

from twisted_ext.apps.tap import ForwardOptions, makeService


class Options(ForwardOptions):
    """
    All settings of the forwarder, and one of our own.
    """

    optParameters = [["page", None, "tcp:8053:interface=127.0.0.1", "Serve the page at this endpoint."]]


@implementer(service.IServiceMaker, IPlugin)
class OfficeDNS:
    tapname = "office-dns"
    description = "The DNS server of the office."
    options = Options

    def makeService(self, options):
        both = service.MultiService()
        # Sockets are bound here, before twistd drops privileges.
        makeService(options).setServiceParent(both)
        page = static.Data(b"Our resolver is 192.0.2.53\n", "text/plain")
        page.isLeaf = True
        endpoint = serverFromString(reactor, options["page"])
        internet.StreamServerEndpointService(endpoint, server.Site(page)).setServiceParent(both)
        return both


maker = OfficeDNS()
