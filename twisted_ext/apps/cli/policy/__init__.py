"""
Commands for the rules by which servers block names.
"""
