# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Certificates for tests with TLS: a CA of OpenSSL, with a key in a file, certifies keys of the token and keys in files.
# Sourced after client.sh.

# ca.key and ca.pem; `extensions`, what its certificates have.
make_ca() {
  openssl req -new -x509 -newkey rsa:2048 -nodes -keyout ca.key -subj '/CN=a plain CA' -days 30 -out ca.pem \
    -addext keyUsage=critical,keyCertSign,cRLSign 2>/dev/null
  printf 'subjectAltName = DNS:localhost, IP:127.0.0.1\nextendedKeyUsage = serverAuth, clientAuth, emailProtection\n%s\n%s\n' \
    'keyUsage = critical, digitalSignature, keyEncipherment' 'authorityKeyIdentifier = keyid' >extensions
}
# NAME [TYPE]: makes NAME.key, a key in a file, and NAME.pem, its certificate.
plain_certificate() {
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key"
  openssl x509 -new -force_pubkey <(openssl pkey -in "$1.key" -pubout) -CA ca.pem -CAkey ca.key -days 30 -subj "/CN=$1" \
    -extfile extensions -out "$1.pem"
}
# LABEL ID TYPE: makes a key pair on the token, LABEL.pub (its public key) and LABEL.pem (its certificate, which is on
# the token too).
token_certificate() {
  logged_in --keypairgen --key-type "$3" --id "$2" --label "$1"
  public_key "object=$1" "$1.der"
  openssl pkey -pubin -inform DER -in "$1.der" -out "$1.pub"
  openssl x509 -new -force_pubkey "$1.pub" -CA ca.pem -CAkey ca.key -days 30 -subj "/CN=$1" -extfile extensions \
    -out "$1.pem"
  openssl x509 -in "$1.pem" -outform DER -out "$1.crt"
  logged_in --write-object "$1.crt" --type cert --id "$2" --label "$1"
}
key_url() { printf 'pkcs11:token=%s;object=%s;type=private' "${token:-client}" "$1"; } # LABEL

# engine.cnf, OpenSSL's configuration with its engine pkcs11, for the programs that use it through OPENSSL_CONF. ENGINE_LINE
# in the environment is one more line of the engine's section.
configure_engine() {
  cat >engine.cnf <<CNF
openssl_conf = init
[init]
engines = engines
[engines]
pkcs11 = pkcs11
[pkcs11]
engine_id = pkcs11
MODULE_PATH = $VTPM_MODULE
PIN = $PIN
${ENGINE_LINE:-}
init = 1
[req]
distinguished_name = dn
[dn]
CNF
}
with_engine() { OPENSSL_CONF=$scratch/engine.cnf "$@"; }
# Key pairs `rsa` and `ec` of the token with certificates for localhost, signed by themselves through the engine: rsa.pem,
# ec.pem, and both.pem, which a client trusts. OPENSSL_CONF names engine.cnf from here on.
make_server_certificates() {
  logged_in --keypairgen --key-type rsa:2048 --id 01 --label rsa
  logged_in --keypairgen --key-type EC:prime256v1 --id 02 --label ec
  configure_engine
  export OPENSSL_CONF=$scratch/engine.cnf
  local key
  for key in rsa ec; do
    openssl req -new -x509 -engine pkcs11 -keyform engine -key "$(key_url $key)" -sha256 -days 30 -subj /CN=localhost \
      -addext subjectAltName=DNS:localhost -out $key.pem
  done
  cat rsa.pem ec.pem >both.pem
}
