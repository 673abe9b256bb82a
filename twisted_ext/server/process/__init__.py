"""
Several processes that are one server, and what each of them has of the machine.
"""
