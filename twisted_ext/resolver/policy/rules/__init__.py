"""
Rules about names, as lists have them: reading their files, the table of all rules, which rule decides, and the source that applies it.
"""
