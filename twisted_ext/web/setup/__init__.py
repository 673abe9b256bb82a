"""
What clients need to know to use the server over encrypted transports: settings for devices, as a page and as files.

What the listeners offer is in L{twisted_ext.server.listeners.offered}.
"""
