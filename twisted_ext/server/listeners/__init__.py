"""
Listeners: sockets, and the servers for UDP, TCP and, in folders of their own, encrypted transports.

What is done with a message is in L{twisted_ext.server.reply}; sites for browsers are in L{twisted_ext.web}.
"""
