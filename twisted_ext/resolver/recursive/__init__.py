"""
The recursive resolver: it drives L{twisted_ext.recursion}, and sends its queries to authoritative servers.
"""
