#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# GnuTLS: p11tool, certtool, and gnutls-serv and gnutls-cli with their keys on the token. Nothing is registered: the module
# is --provider.
. "$(dirname "$0")/client.sh"
. "$VTPM_SOURCE/tests/client/certificates.sh"
client 'GnuTLS' gnutls-bin

make_token client
make_ca
token_certificate rsa 01 rsa:2048
token_certificate ec 02 EC:prime256v1
plain_certificate plain
url='pkcs11:token=client'
with_token() { "$1" --provider "$VTPM_MODULE" "${@:2}" </dev/null; }
key_with_pin() { echo "$(key_url "$1")?pin-value=$PIN"; } # LABEL

section 'p11tool --list-tokens, --list-mechanisms, --list-all'
with_token p11tool --list-tokens >tokens.out
has tokens.out 'URL: pkcs11:.*token=client'
with_token p11tool --list-mechanisms "$url" >mechanisms
has mechanisms 'CKM_RSA_PKCS '
with_token p11tool --list-all --login "$url" >objects
has objects 'Type: Private key \(RSA-2048\)'
has objects 'Type: Private key \(EC/ECDSA-SECP256R1\)'
has objects 'Type: X.509 Certificate \(RSA-2048\)'

section 'p11tool --generate-privkey, --test-sign, --export-pubkey'
for kind in rsa ecdsa; do
  options=(--bits 2048)
  [ $kind = rsa ] || options=(--curve secp384r1)
  with_token p11tool --login --generate-privkey $kind "${options[@]}" --label "made-$kind" --outfile "$kind.pub" "$url"
  with_token p11tool --login --test-sign "$url;object=made-$kind;type=private"
  with_token p11tool --login --export-pubkey "$url;object=made-$kind;type=private" --outfile exported.pub
  cmp <(openssl pkey -pubin -in $kind.pub) <(openssl pkey -pubin -in exported.pub)
done

section 'p11tool --generate-privkey and --export: Ed25519, and a request that certtool signs with it'
with_token p11tool --login --generate-privkey ed25519 --label made-ed25519 --outfile ed25519.pub "$url"
with_token p11tool --export "$url;object=made-ed25519;type=public" --outfile exported.pub
cmp <(openssl pkey -pubin -in ed25519.pub) <(openssl pkey -pubin -in exported.pub)
printf 'cn = "edwards"\n' >template
with_token certtool --generate-request --load-privkey "$(key_with_pin made-ed25519)" --load-pubkey ed25519.pub \
  --template template --outfile request.pem
openssl req -in request.pem -noout -verify
cmp <(openssl req -in request.pem -noout -pubkey) <(openssl pkey -pubin -in ed25519.pub)

section 'certtool: a CA whose key is on the token issues a certificate'
printf 'cn = "a CA of the token"\nca\ncert_signing_key\nexpiration_days = 30\n' >ca.template
with_token certtool --generate-self-signed --load-privkey "$(key_with_pin rsa)" --template ca.template --outfile token-ca.pem
printf 'cn = "issued"\nsigning_key\nexpiration_days = 20\n' >template
with_token certtool --generate-certificate --load-pubkey <(openssl pkey -in plain.key -pubout) --load-ca-certificate token-ca.pem \
  --load-ca-privkey "$(key_with_pin rsa)" --template template --outfile issued.pem
openssl verify -CAfile token-ca.pem issued.pem

section 'p11tool --write, --export, --set-label, --set-id, --delete: a certificate and a plain key'
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out own.key 2>/dev/null
openssl req -new -x509 -key own.key -subj /CN=own -days 30 -out own.pem
with_token p11tool --login --write --load-privkey own.key --load-certificate own.pem --label own --id 0a "$url"
with_token p11tool --login --export "$url;object=own;type=cert" --outfile exported.pem
cmp <(openssl x509 -in own.pem) <(openssl x509 -in exported.pem)
with_token p11tool --login --test-sign "$url;object=own;type=private"
with_token p11tool --login --set-label renamed "$url;object=own;type=private"
with_token p11tool --login --set-id 0b "$url;object=renamed;type=private"
with_token p11tool --login --test-sign "$url;id=%0b;type=private"
with_token p11tool --batch --login --delete "$url;id=%0b;type=private"
refused with_token p11tool --login --test-sign "$url;id=%0b;type=private"

section 'p11tool --generate-random'
with_token p11tool --generate-random 32 --outfile random "$url"
[ -s random ]

section 'p11tool --login --export-chain: a certificate with the trusted CA that issued it'
GNUTLS_SO_PIN=$SO_PIN with_token p11tool --so-login --write --load-certificate ca.pem --mark-trusted --mark-ca --label ca \
  --id 0c "$url"
with_token p11tool --login --export-chain "$url;object=rsa;type=cert" --outfile chain.pem
[ "$(grep -c 'BEGIN CERTIFICATE' chain.pem)" = 2 ]
openssl verify -CAfile ca.pem chain.pem

for key in rsa ec; do
  for version in 1.2 1.3; do
    section "gnutls-serv and gnutls-cli with TLS $version, both with $key keys of the token"
    port=$(free_port)
    serve "gnutls-serv" gnutls-serv --provider "$VTPM_MODULE" --port "$port" --http --x509certfile $key.pem \
      --x509keyfile "$(key_with_pin $key)" --x509cafile ca.pem --require-client-cert --verify-client-cert \
      --priority "NORMAL:-VERS-ALL:+VERS-TLS$version"
    eventually listening "$port"
    printf 'GET / HTTP/1.0\r\n\r\n' | gnutls-cli --provider "$VTPM_MODULE" --port "$port" --x509cafile ca.pem --x509certfile \
      $key.pem --x509keyfile "$(key_with_pin $key)" localhost >client.out 2>&1 || { cat client.out && false; }
    has client.out "Description: .TLS$version"
    has client.out 'The certificate is trusted'
    # And plain OpenSSL on the other side.
    into handshake openssl s_client -connect "localhost:$port" -CAfile ca.pem -cert plain.pem -key plain.key \
      -verify_return_error </dev/null
    has handshake 'Verify return code: 0'
    stop gnutls-serv
  done
done
