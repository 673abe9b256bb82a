"""
Known attacks. Each is tried against its defense, and against the same code with the defense off.
"""
