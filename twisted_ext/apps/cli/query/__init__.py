"""
C{txdns query}: asks, and shows the reply as dig does.
"""
