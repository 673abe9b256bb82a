"""
The service: it permits what it is asked for, but not to 127.0.0.3.
"""

from twisted.internet import reactor
from twisted.web.resource import Resource
from twisted.web.server import Site


class Permits(Resource):
    isLeaf = True

    def render_GET(self, request):
        if request.postpath[0] != b"127.0.0.3":
            return b""
        request.setResponseCode(403)
        return b"ask at the desk"


reactor.listenTCP(8081, Site(Permits()), interface="127.0.0.1")
reactor.callWhenRunning(print, "answering at http://127.0.0.1:8081/", flush=True)
reactor.run()
