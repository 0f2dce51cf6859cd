#!/bin/bash
# NSS: modutil takes the module, certutil lists keys and certificates and makes a certificate with a key of the token.
. "$(dirname "$0")/client.sh"
client 'NSS tools' libnss3-tools

make_token client
logged_in --keypairgen --key-type rsa:2048 --id 01 --label rsa
printf '%s' "$PIN" >pin
mkdir db
certutil -N -d sql:db --empty-password
modutil -dbdir sql:db -add vtpm -libfile "$VTPM_MODULE" -force
modutil -dbdir sql:db -list vtpm | tee module.out
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
