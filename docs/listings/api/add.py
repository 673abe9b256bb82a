import json
from pathlib import Path
from urllib.request import Request, urlopen

secret = Path("secret").read_text().split()[-1]
url = "http://127.0.0.1:8081/api/v1/servers/localhost/zones"
body = {"name": "example.net.", "kind": "Native", "nameservers": ["ns1.example.org."]}
with urlopen(Request(url, json.dumps(body).encode(), {"X-API-Key": secret}, method="POST")) as reply:
    print(reply.status, json.load(reply)["id"])
