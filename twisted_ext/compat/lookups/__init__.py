"""
Building blocks of look-ups: choosing the resolver and timeout, following aliases and rules, explaining answers.
"""
