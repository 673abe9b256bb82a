"""
The API: HTTP and JSON by which other programs read and change the zones of a server.

Commands for the operator go over the control socket, L{twisted_ext.server.operations}.
"""
