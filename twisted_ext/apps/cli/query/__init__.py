"""
C{txdns query}: sends a query and prints the reply as dig does.
"""
