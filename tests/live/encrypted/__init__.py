"""
Tests of encrypted transports with programs of other projects: as clients of our server, and as servers that our client asks.
"""
