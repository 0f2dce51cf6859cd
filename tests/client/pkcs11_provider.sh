#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# OpenSSL 3's provider pkcs11 (pkcs11-provider; Debian 13 has it): certificates, signatures, decryption, key agreement, and
# TLS, with keys that only OpenSSL's store URIs name.
. "$(dirname "$0")/client.sh"
. "$VTPM_SOURCE/tests/client/certificates.sh"
client 'OpenSSL provider pkcs11' pkcs11-provider

make_token client
make_ca
token_certificate rsa 01 rsa:2048
token_certificate ec 02 EC:prime256v1
plain_certificate plain
printf '%s' "$PIN" >pin
cat >provider.cnf <<CNF
openssl_conf = init
[init]
providers = providers
[providers]
default = of_openssl
pkcs11 = of_token
[of_openssl]
activate = 1
[of_token]
module = $(openssl version -m | sed 's/.*"\(.*\)"/\1/')/pkcs11.so
pkcs11-module-path = $VTPM_MODULE
pkcs11-module-token-pin = file:$scratch/pin
pkcs11-module-encode-provider-uri-to-pem = true
activate = 1
[req]
distinguished_name = dn
[dn]
CNF
with_provider() { OPENSSL_CONF=$scratch/provider.cnf openssl "$@"; }
printf 'a message' >message

section 'storeutl lists what the token has'
into list with_provider storeutl -text 'pkcs11:token=client'
has list 'Certificate'
into list with_provider storeutl -keys -text 'pkcs11:token=client'
has list 'Private|Pkey'

for key in rsa ec; do
  section "a request and a certificate with the $key key"
  into made with_provider req -new -x509 -key "$(key_url $key)" -sha256 -days 30 -subj "/CN=self $key" -out self.pem
  openssl verify -check_ss_sig -CAfile self.pem self.pem
  cmp <(openssl x509 -in self.pem -noout -pubkey) <(openssl pkey -pubin -in $key.pub)

  section "a signature with the $key key"
  with_provider dgst -sha256 -sign "$(key_url $key)" -out signature message
  openssl dgst -sha256 -verify $key.pub -signature signature message
  with_provider dgst -sha256 -verify "pkcs11:token=client;object=$key;type=public" -signature signature message
done

section 'RSA-PSS, and decryption with PKCS#1 and OAEP'
with_provider dgst -sha256 -sign "$(key_url rsa)" -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest -out signature message
openssl dgst -sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest -verify rsa.pub -signature signature message
for padding in pkcs1 oaep; do
  options=(-pkeyopt "rsa_padding_mode:$padding")
  [ $padding = pkcs1 ] || options+=(-pkeyopt rsa_oaep_md:sha1 -pkeyopt rsa_mgf1_md:sha1) # the provider has no default
  openssl pkeyutl -encrypt -pubin -inkey rsa.pub "${options[@]}" -in message -out sealed
  with_provider pkeyutl -decrypt -inkey "$(key_url rsa)" "${options[@]}" -in sealed -out opened
  cmp message opened
done

section 'ECDH'
openssl ecparam -name prime256v1 -genkey -noout -out peer.pem
openssl pkey -in peer.pem -pubout -out peer.pub
with_provider pkeyutl -derive -inkey "$(key_url ec)" -peerkey peer.pub -out derived
openssl pkeyutl -derive -inkey peer.pem -peerkey ec.pub -out expected
cmp derived expected

section 'genpkey: RSA, P-384 and Ed25519 on the token'
with_provider genpkey -propquery provider=pkcs11 -algorithm RSA -pkeyopt rsa_keygen_bits:2048 \
  -pkeyopt 'pkcs11_uri:pkcs11:token=client;object=made-rsa' -out /dev/null
with_provider genpkey -propquery provider=pkcs11 -algorithm EC -pkeyopt ec_paramgen_curve:P-384 \
  -pkeyopt 'pkcs11_uri:pkcs11:token=client;object=made-ec' -out /dev/null
with_provider genpkey -propquery provider=pkcs11 -algorithm ED25519 \
  -pkeyopt 'pkcs11_uri:pkcs11:token=client;object=made-ed' -out /dev/null
for key in made-rsa made-ec made-ed; do
  with_provider pkey -in "pkcs11:token=client;object=$key;type=public" -pubin -pubout -out $key.pub
  hash=(-rawin)
  [ $key = made-ed ] || hash+=(-digest sha256)
  with_provider pkeyutl -sign -inkey "$(key_url $key)" "${hash[@]}" -in message -out signature
  openssl pkeyutl -verify -pubin -inkey $key.pub "${hash[@]}" -in message -sigfile signature
done

section 'genpkey: RSA with a size that is no multiple of eight'
with_provider genpkey -propquery provider=pkcs11 -algorithm RSA -pkeyopt rsa_keygen_bits:3092 \
  -pkeyopt 'pkcs11_uri:pkcs11:token=client;object=made-3092' -out /dev/null
with_provider pkey -in 'pkcs11:token=client;object=made-3092;type=public' -pubin -pubout -out made-3092.pub
openssl pkey -pubin -in made-3092.pub -noout -text >text
has text '3092 bit'
with_provider pkeyutl -sign -inkey "$(key_url made-3092)" -rawin -digest sha256 -in message -out signature
openssl pkeyutl -verify -pubin -inkey made-3092.pub -rawin -digest sha256 -in message -sigfile signature

section 'an RSA-PSS key beside a plain one: a certificate, and a TLS server with both'
# The provider distinguishes the two by CKA_ALLOWED_MECHANISMS, and does not ask again after a key without that
# attribute.
with_provider genpkey -propquery provider=pkcs11 -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048 \
  -pkeyopt 'pkcs11_uri:pkcs11:token=client;object=pss' -out /dev/null
with_provider req -new -x509 -key "$(key_url pss)" -sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest -days 30 \
  -subj /CN=localhost -out pss.pem
openssl verify -check_ss_sig -CAfile pss.pem pss.pem
openssl x509 -in pss.pem -noout -text >text
has text 'Public Key Algorithm: rsassaPss'
port=$(free_port)
serve server env OPENSSL_CONF="$scratch/provider.cnf" openssl s_server -accept "127.0.0.1:$port" -cert rsa.pem \
  -key "$(key_url rsa)" -dcert pss.pem -dkey "$(key_url pss)" -www -tls1_3
eventually listening "$port"
for kind in pss rsae; do
  into handshake openssl s_client -connect "localhost:$port" -CAfile <(cat pss.pem ca.pem) -sigalgs rsa_pss_${kind}_sha256 \
    -verify_return_error </dev/null
  has handshake "Peer signature type: rsa_pss_${kind}_sha256"
  has handshake 'Verify return code: 0'
done
stop server

# Without a PIN no client logs in. The provider asks early for the token's mechanisms.
sed -e 's/^pkcs11-module-token-pin.*/pkcs11-module-load-behavior = early/' provider.cnf >public.cnf
without_login() { OPENSSL_CONF=$scratch/public.cnf openssl "$@" </dev/null; }

section 'HKDF without a login'
hkdf=(-keylen 32 -kdfopt digest:SHA256 -kdfopt hexkey:000102030405060708090a0b0c0d0e0f -kdfopt hexsalt:10 -kdfopt hexinfo:11 HKDF)
without_login kdf -propquery provider=pkcs11 "${hkdf[@]}" >derived
openssl kdf "${hkdf[@]}" | cmp - derived

for key in rsa ec; do
  for version in 1_2 1_3; do
    section "a TLS server with the $key key, TLS ${version/_/.}"
    port=$(free_port)
    serve server env OPENSSL_CONF="$scratch/provider.cnf" openssl s_server -accept "127.0.0.1:$port" -cert $key.pem \
      -key "$(key_url $key)" -CAfile ca.pem -Verify 1 -verify_return_error -www -tls$version
    eventually listening "$port"
    into handshake openssl s_client -connect "localhost:$port" -CAfile ca.pem -cert plain.pem -key plain.key \
      -verify_return_error </dev/null
    has handshake 'Verify return code: 0'
    stop server
  done
done

section 'a TLS client with a certificate of the token'
port=$(free_port)
serve server openssl s_server -accept "127.0.0.1:$port" -cert plain.pem -key plain.key -CAfile ca.pem -Verify 1 \
  -verify_return_error -www
eventually listening "$port"
for key in rsa ec; do
  for version in 1_2 1_3; do
    printf 'GET / HTTP/1.0\r\n\r\n' | OPENSSL_CONF=$scratch/provider.cnf into page openssl s_client -connect "localhost:$port" -CAfile ca.pem \
      -cert $key.pem -key "$(key_url $key)" -verify_return_error -tls$version -ign_eof
    has page "CN *= *$key"
  done
done
