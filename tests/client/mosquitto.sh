#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# MQTT over TLS: the broker's key, and then a client's, is on the token, through OpenSSL's engine pkcs11.
. "$(dirname "$0")/client.sh"
. "$VTPM_SOURCE/tests/client/certificates.sh"
client 'Mosquitto' mosquitto

make_token client
make_ca
token_certificate rsa 01 rsa:2048
token_certificate ec 02 EC:prime256v1
plain_certificate plain
configure_engine
mosquitto=$(PATH=$PATH:/usr/sbin type -P mosquitto)

broker() { # CERTIFICATE KEY REST: starts it on a new port
  port=$(free_port)
  cat >broker.conf <<CONF
listener $port 127.0.0.1
allow_anonymous true
cafile $scratch/ca.pem
certfile $scratch/$1.pem
keyfile $2
$3
CONF
  chmod 644 ./*.pem broker.conf
  serve broker env OPENSSL_CONF="$scratch/engine.cnf" "$mosquitto" -c broker.conf
  eventually listening "$port"
}
message() { # TEXT [options of the client]: is kept by the broker, and fetched again
  mosquitto_pub -h localhost -p "$port" --cafile ca.pem -t note -r -q 1 -m "$1" "${@:2}"
  [ "$(mosquitto_sub -h localhost -p "$port" --cafile ca.pem -t note -C 1 -W 20 "${@:2}")" = "$1" ]
}

for key in rsa ec; do
  section "a broker with the $key key"
  broker $key "$(key_url $key)" 'tls_engine pkcs11
tls_keyform engine
user root'
  message "to $key"
  into handshake openssl s_client -connect "localhost:$port" -CAfile ca.pem -verify_return_error </dev/null
  has handshake 'Verify return code: 0'
  stop broker
done

section 'clients with certificates of the token, which the broker demands'
broker plain "$scratch/plain.key" 'require_certificate true
use_identity_as_username true
user root'
for key in rsa ec; do
  : >"$(key_url $key)" # libmosquitto 2.0.11 opens the key as a file before it asks the engine
  with_engine message "from $key" --cert $key.pem --key "$(key_url $key)" --keyform engine --tls-engine pkcs11
  has broker.log "u'$key'"
done
refused message nobody
stop broker
