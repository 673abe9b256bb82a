"""
The converter of dnsmasq's configuration.
"""
