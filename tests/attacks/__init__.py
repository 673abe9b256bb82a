"""
Known attacks, each played against its defence, and against the same code with the defence off.
"""
