#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# curl shows a client certificate of the token to a server of plain OpenSSL, through the engine pkcs11.
. "$(dirname "$0")/client.sh"
. "$VTPM_SOURCE/tests/client/certificates.sh"
client 'curl' curl

make_token client
make_ca
plain_certificate server
token_certificate rsa 01 rsa:2048
token_certificate ec 02 EC:prime256v1
configure_engine
port=$(free_port)
serve server openssl s_server -accept "127.0.0.1:$port" -cert server.pem -key server.key -CAfile ca.pem -Verify 1 \
  -verify_return_error -www
eventually listening "$port"
get() { # curl's options
  with_engine curl --silent --show-error --fail --max-time 20 --cacert ca.pem --engine pkcs11 --key-type ENG "$@" \
    "https://localhost:$port/"
}

for key in rsa ec; do
  for version in 1.2 1.3; do
    section "TLS $version with a client certificate, $key"
    get --tlsv$version --tls-max $version --cert $key.pem --key "$(key_url $key)" >page
    has page "Protocol *: TLSv$version"
    has page "subject=CN = $key|Subject: CN *= *$key"
  done
done

section 'the certificate too comes from the token'
get --cert 'pkcs11:token=client;object=rsa;type=cert' --cert-type ENG --key "$(key_url rsa)" >page
has page 'CN *= *rsa'

section 'without a certificate the server rejects the client'
refused curl --silent --show-error --fail --max-time 20 --cacert ca.pem "https://localhost:$port/"
