#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# NSS: modutil, certutil, cmsutil, and poppler's pdfsig, which signs through NSS.
. "$(dirname "$0")/client.sh"
. "$VTPM_SOURCE/tests/client/certificates.sh"
client 'NSS' libnss3-tools

make_token client
make_ca
printf '%s' "$PIN" >pin
printf 'client:%s\n' "$PIN" >pins
head -c 64 /dev/urandom >noise
printf 'a message' >message

section 'modutil adds the module, and shows its token'
mkdir db
certutil -N -d sql:db --empty-password
modutil -dbdir sql:db -add vtpm -libfile "$VTPM_MODULE" -force
modutil -dbdir sql:db -list vtpm >module.out || [ $? -eq 32 ] # its status where a slot has no token in it
has module.out 'Token Name: client'

section 'certutil: a request with a new RSA key, and the certificate of a plain CA for it'
certutil -A -d sql:db -n plain-ca -t CT,C,C -a -i ca.pem
certutil -R -d sql:db -h client -f pin -z noise -k rsa -g 2048 -s 'CN=requested' -o request.der
openssl req -inform DER -in request.der -noout -verify
openssl x509 -req -in <(openssl req -inform DER -in request.der) -CA ca.pem -CAkey ca.key -days 30 -extfile extensions -out requested.pem
certutil -A -d sql:db -h client -f pin -n requested -t ,, -a -i requested.pem
certutil -K -d sql:db -h client -f pin >keys
has keys 'rsa .*requested'
certutil -L -d sql:db -h client -f pin -n client:requested -a >listed.pem
openssl verify -CAfile ca.pem listed.pem

section 'certutil: a self-signed certificate with a P-256 key'
certutil -S -d sql:db -h client -f pin -z noise -n curve -s 'CN=curve' -x -t ,, -k ec -q nistp256 -m 9
certutil -L -d sql:db -h client -f pin -n client:curve -a >curve.pem
openssl verify -CAfile curve.pem curve.pem

section 'cmsutil signs, OpenSSL verifies'
cmsutil -S -d sql:db -f pins -N client:requested -i message -o signed.cms -G -P
openssl cms -verify -inform DER -in signed.cms -CAfile ca.pem -purpose any -out verified
cmp message verified

section 'cmsutil decrypts what OpenSSL has encrypted'
openssl cms -encrypt -aes256 -binary -outform DER -in message -out sealed.cms requested.pem
cmsutil -D -d sql:db -f pins -i sealed.cms -o opened
cmp message opened

section 'pdfsig signs a document, and OpenSSL verifies what it has signed'
{
  printf '%%PDF-1.4\n'
  printf '1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n'
  printf '2 0 obj\n<< /Type /Pages /Kids [3 0 R] /Count 1 >>\nendobj\n'
  printf '3 0 obj\n<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 200] /Resources << >> >>\nendobj\n'
  printf 'xref\n0 4\n0000000000 65535 f \n0000000009 00000 n \n0000000058 00000 n \n0000000115 00000 n \n'
  printf 'trailer\n<< /Size 4 /Root 1 0 R >>\nstartxref\n203\n%%%%EOF\n'
} >plain.pdf
pdfsig -nssdir sql:db -nss-pwd "$PIN" -nick client:requested -add-signature -digest SHA256 plain.pdf signed.pdf
pdfsig -nssdir sql:db signed.pdf >pdf.out
has pdf.out 'Signature is Valid'
has pdf.out 'Signer Certificate Common Name: requested'
# The signature is in the document, and the two ranges around it are what it signs.
read -r first length second rest <<<"$(grep -a -o '/ByteRange \[[0-9 ]*\]' signed.pdf | tail -n 1 | tr -d -c '0-9 ')"
{ tail -c +$((first + 1)) signed.pdf | head -c "$length" && tail -c +$((second + 1)) signed.pdf | head -c "$rest"; } >signed
tail -c +$((length + 2)) signed.pdf | head -c $((second - length - 2)) | perl -ne 'print pack "H*", $_' >signature.cms
openssl cms -verify -binary -inform DER -in signature.cms -content signed -CAfile ca.pem -purpose any -out /dev/null
