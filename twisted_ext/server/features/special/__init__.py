"""
Names that are answered without asking anybody.
"""
