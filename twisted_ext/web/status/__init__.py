"""
The status page and metrics over HTTP, which only show.

What changes something in a browser is in L{twisted_ext.web.console}.
"""
