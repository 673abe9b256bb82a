"""
What things cost, beside what others take for them; nothing here is a test.
"""
