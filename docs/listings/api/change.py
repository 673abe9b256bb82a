import json
from pathlib import Path
from urllib.request import Request, urlopen

secret = Path("secret").read_text().split()[-1]
url = "http://127.0.0.1:8081/api/v1/servers/localhost/zones/example.org."
records = [{"content": "192.0.2.9"}]
body = {"rrsets": [{"name": "new.example.org.", "type": "A", "ttl": 60, "changetype": "EXTEND", "records": records}]}
with urlopen(Request(url, json.dumps(body).encode(), {"X-API-Key": secret}, method="PATCH")) as reply:
    print(reply.status, reply.headers["X-PDNS-New-Serial"])
