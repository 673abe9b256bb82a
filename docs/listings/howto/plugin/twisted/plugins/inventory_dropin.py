"""
What descriptions of resolvers may begin with when this file is found: strings only, the module is imported when it is used.
"""

from twisted_ext.resolver.strings.descriptions import LazyParser

inventory = LazyParser("inventory", "inventory", "parseInventory", "a list of machines: inventory:path[:ttl=seconds]")
