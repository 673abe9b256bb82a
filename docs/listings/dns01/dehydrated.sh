#!/bin/sh
case "$1" in
    deploy_challenge) txdns api challenge add "$2" "$4" --url http://127.0.0.1:8081 --token-file acme ;;
    clean_challenge) txdns api challenge remove "$2" "$4" --url http://127.0.0.1:8081 --token-file acme ;;
esac
