"""
Live tests of C{txdns convert}: a program with its configuration, and this server with the converted one, give the same answers.
"""
