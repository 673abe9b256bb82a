"""
Non-blocking counterparts of the C library's getaddrinfo(3), getnameinfo(3) and gethostbyname(3), with the address selection of RFC 6724.
"""
