"""
The table of served zones, the answer source for them, and the guards of what comes into it.

Where versions come from is in L{twisted_ext.server.zones.load}.
"""
