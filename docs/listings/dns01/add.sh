txdns api challenge add "$CERTBOT_DOMAIN" "$CERTBOT_VALIDATION" --url http://127.0.0.1:8081 --token-file acme
