"""
Answer sources from text: C{cache:udp:192.0.2.1}.
"""
