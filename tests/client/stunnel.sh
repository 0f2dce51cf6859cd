#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# stunnel with its key on the token, as a server and as a client with a certificate, through OpenSSL's engine pkcs11.
. "$(dirname "$0")/client.sh"
. "$VTPM_SOURCE/tests/client/certificates.sh"
client 'stunnel' stunnel4

make_token client
make_ca
token_certificate rsa 01 rsa:2048
token_certificate ec 02 EC:prime256v1
plain_certificate server
stunnel=$(PATH=$PATH:/usr/sbin type -P stunnel4 || PATH=$PATH:/usr/sbin type -P stunnel)

configuration() { # KEY ACCEPT REST: of one service
  cat <<CONF
foreground = yes
pid =
engine = pkcs11
engineCtrl = MODULE_PATH:$VTPM_MODULE
engineCtrl = PIN:$PIN
[service]
accept = 127.0.0.1:$2
engineId = pkcs11
cert = $scratch/$1.pem
key = $(key_url "$1")
$3
CONF
}

for key in rsa ec; do
  section "a server with the $key key"
  port=$(free_port)
  configuration $key "$port" "exec = $(type -P cat)
execArgs = cat" >"$key.conf"
  serve "stunnel-$key" "$stunnel" "$key.conf"
  eventually listening "$port"
  for version in tls1_2 tls1_3; do
    { echo "echoed by $key $version" && sleep 1; } |
      into answer openssl s_client -connect "127.0.0.1:$port" -CAfile ca.pem -verify_return_error -$version
    has answer "^echoed by $key $version"
    has answer 'Verify return code: 0'
  done
  stop "stunnel-$key"
done

for key in rsa ec; do
  section "a client that shows the $key certificate"
  port=$(free_port)
  tls=$(free_port)
  serve server openssl s_server -accept "127.0.0.1:$tls" -cert server.pem -key server.key -CAfile ca.pem -Verify 1 \
    -verify_return_error -www
  eventually listening "$tls"
  configuration $key "$port" "client = yes
connect = 127.0.0.1:$tls
verifyChain = yes
CAfile = $scratch/ca.pem" >"$key.conf"
  serve "stunnel-$key" "$stunnel" "$key.conf"
  eventually listening "$port"
  curl --silent --show-error --fail --max-time 20 --http0.9 "http://127.0.0.1:$port/" >page
  has page "CN *= *$key"
  stop "stunnel-$key"
  stop server
done
