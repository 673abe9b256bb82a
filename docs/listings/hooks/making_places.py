"""
Make a file in the format of GeoLite2, in which one address is in New Zealand.
"""

from mmdb_writer import MMDBWriter
from netaddr import IPSet

writer = MMDBWriter(6, "GeoLite2-Country", ipv4_compatible=True)
writer.insert_network(IPSet(["127.0.0.2/32"]), {"country": {"iso_code": "NZ"}})
writer.to_db_file("country.mmdb")
