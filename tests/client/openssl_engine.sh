#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# OpenSSL's engine pkcs11 (libp11) makes and verifies a self-signed certificate with keys of the token. With the
# argument `default` the engine is also the default for ALL algorithms: a module that used the application's OpenSSL
# would then call itself.
. "$(dirname "$0")/client.sh"
. "$VTPM_SOURCE/tests/client/certificates.sh"
client 'OpenSSL engine pkcs11' libengine-pkcs11-openssl

make_token client
logged_in --keypairgen --key-type rsa:2048 --id 01 --label rsa
logged_in --keypairgen --key-type EC:prime256v1 --id 02 --label ec

ENGINE_LINE=${1:+default_algorithms = ALL} configure_engine

for key in rsa ec; do
  section "$key: a certificate signed by the token, verified by plain openssl"
  url="pkcs11:token=client;object=$key;type=private"
  with_engine openssl req -new -x509 -engine pkcs11 -keyform engine -key "$url" -sha256 -days 30 -subj "/CN=$key" \
    -addext basicConstraints=critical,CA:true -addext subjectKeyIdentifier=hash -out $key.pem
  openssl verify -CAfile $key.pem $key.pem
  openssl x509 -in $key.pem -noout -pubkey -out $key.pub
  public_key object=$key $key.der
  openssl pkey -pubin -inform DER -in $key.der | cmp - $key.pub
  with_engine openssl verify -engine pkcs11 -CAfile $key.pem $key.pem

  section "$key: a signature"
  with_engine openssl dgst -sha256 -engine pkcs11 -keyform engine -sign "$url" -out signature $key.pem
  openssl dgst -sha256 -verify $key.pub -signature signature $key.pem
done

section 'rsa: PSS (the engine pads, the token does the raw operation) and decryption'
url='pkcs11:token=client;object=rsa;type=private'
with_engine openssl dgst -sha256 -engine pkcs11 -keyform engine -sign "$url" -sigopt rsa_padding_mode:pss \
  -sigopt rsa_pss_saltlen:digest -out signature rsa.pem
openssl dgst -sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest -verify rsa.pub -signature signature rsa.pem
printf 'a secret' >plain
openssl pkeyutl -encrypt -pubin -inkey rsa.pub -in plain -out sealed
with_engine openssl pkeyutl -decrypt -engine pkcs11 -keyform engine -inkey "$url" -in sealed -out opened
cmp plain opened

section 'keys of the application itself work beside it'
with_engine openssl req -new -x509 -engine pkcs11 -newkey rsa:2048 -nodes -keyout own.key -sha256 -subj /CN=own -out own.pem
openssl verify -CAfile own.pem own.pem
