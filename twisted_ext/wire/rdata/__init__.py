"""
Record types, one declaration each, that give parsing, building, text in, text out and canonical form.
"""
