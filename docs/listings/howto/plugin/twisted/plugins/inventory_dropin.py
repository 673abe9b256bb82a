"""
The prefixes that this file adds to resolver descriptions: strings only, the module is imported when a prefix is used.
"""

from twisted_ext.resolver.strings.descriptions import LazyParser

inventory = LazyParser("inventory", "inventory", "parseInventory", "a list of machines: inventory:path[:ttl=seconds]")
