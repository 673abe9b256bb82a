"""
Names whose answers have certain addresses, or lead to certain domains, are denied.
"""
