"""
Zones that are changed while they are served: dynamic updates, the door for edits by API and console, and the queue that commits both.

What a change is, without a server, is in L{twisted_ext.zone.update}.
"""
