"""
The zones that are served: the table that answers come from, loading, transfers and updates.

What a zone is, on disk and on the wire, is in L{twisted_ext.zone}; what asks others for names is in L{twisted_ext.server.sources}.
"""
