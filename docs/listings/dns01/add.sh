txdns api patch /api/v1/servers/localhost/zones/$CERTBOT_DOMAIN - --url http://127.0.0.1:8081 --token-file acme <<END
{"rrsets": [{"name": "_acme-challenge.$CERTBOT_DOMAIN.", "type": "TXT", "ttl": 60, "changetype": "EXTEND",
             "records": [{"content": "\"$CERTBOT_VALIDATION\""}]}]}
END
