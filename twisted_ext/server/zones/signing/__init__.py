"""
Zones that are signed here: an unsigned version goes in, whatever it comes from, and a signed one comes into force.
"""
