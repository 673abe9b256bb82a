"""
Adapters for other programs: aioxmpp, dnspython, Scrapy, Synapse, twisted.mail.
"""
