#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# NSS: modutil takes the module, certutil lists keys and certificates and makes a certificate with a key of the token,
# pk12util takes keys in and out.
. "$(dirname "$0")/client.sh"
client 'NSS tools' libnss3-tools

make_token client
logged_in --keypairgen --key-type rsa:2048 --id 01 --label rsa
printf '%s' "$PIN" >pin
mkdir db
certutil -N -d sql:db --empty-password
modutil -dbdir sql:db -add vtpm -libfile "$VTPM_MODULE" -force
modutil -dbdir sql:db -list vtpm >module.out || [ $? -eq 32 ] # its status where a slot has no token in it
has module.out 'Token Name: client'

section 'certutil -L shows no certificate that is not the user'"'"'s'
certutil -L -d sql:db -h client -f pin | tee listed
has_not listed 'client:'

section 'certutil generates a key, makes a certificate with it and stores it'
head -c 64 /dev/urandom >noise
certutil -S -d sql:db -h client -f pin -z noise -n made-by-nss -s 'CN=made by nss' -x -t ,, -k rsa -g 2048 -m 9
certutil -K -d sql:db -h client -f pin | tee keys
has keys 'rsa .*made-by-nss'
certutil -L -d sql:db -h client -f pin -n client:made-by-nss -a >cert.pem
openssl verify -CAfile cert.pem cert.pem

section 'the certificate has its key under one CKA_ID'
id=$(logged_in --list-objects --type cert | awk '$1 == "ID:" { print $2; exit }')
printf x >message
logged_in --sign --id "$id" -m SHA256-RSA-PKCS -i message -o signature
openssl x509 -in cert.pem -noout -pubkey -out pub.pem
openssl dgst -sha256 -verify pub.pem -signature signature message

section 'pk12util imports what OpenSSL writes: PBES2, and 3DES as OpenSSL 1 wrote it'
printf secret >password
printf 'a message' >message
identity() { # NAME OPTION…: a new key and a certificate of it
  openssl req -x509 "${@:2}" -nodes -keyout "$1.key" -out "$1.pem" -days 30 -subj "/CN=$1" 2>/dev/null
}
imported() { # NAME OPTION…: goes into the token as PKCS #12, and signs
  openssl pkcs12 -export -inkey "$1.key" -in "$1.pem" -name "$1" -passout file:password -out "$1.p12" "${@:2}"
  pk12util -d sql:db -h client -k pin -i "$1.p12" -w password
  certutil -K -d sql:db -h client -f pin >keys
  has keys " $1\$"
  openssl x509 -in "$1.pem" -noout -pubkey >"$1.pub"
  id=$(in_token --list-objects --type cert | awk -v label="$1" '$1 == "label:" { ours = $2 == label } $1 == "ID:" && ours { print $2 }')
}
exported() { # NAME: comes out as it came in
  pk12util -d sql:db -h client -k pin -n "client:$1" -o "$1.out" -w password
  openssl pkcs12 -in "$1.out" -passin file:password -nodes -out both.pem
  cmp <(openssl pkey -in both.pem) <(openssl pkey -in "$1.key")
  cmp <(openssl x509 -in both.pem) <(openssl x509 -in "$1.pem")
}
identity rsa -newkey rsa:2048
identity curve -newkey ec -pkeyopt ec_paramgen_curve:P-256
identity older -newkey rsa:2048
imported rsa
logged_in --sign --id "$id" -m SHA256-RSA-PKCS -i message -o signature
openssl dgst -sha256 -verify rsa.pub -signature signature message
imported curve
openssl dgst -sha256 -binary message >digest
logged_in --sign --id "$id" -m ECDSA --signature-format openssl -i digest -o signature
openssl dgst -sha256 -verify curve.pub -signature signature message
imported older -certpbe PBE-SHA1-3DES -keypbe PBE-SHA1-3DES -macalg sha1

section 'pk12util exports the imported keys, and OpenSSL reads them'
exported rsa
exported curve
