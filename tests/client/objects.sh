#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Certificates, data objects in the store and NV areas in the TPM: written, read, listed and deleted by pkcs11-tool.
. "$(dirname "$0")/client.sh"

make_token client
openssl req -new -x509 -newkey rsa:2048 -nodes -keyout key.pem -subj '/O=Example/CN=a certificate' -days 30 \
  -outform DER -out cert.der

section 'a certificate is public'
logged_in --write-object cert.der --type cert --id 0a --label leaf
in_token --read-object --type cert --id 0a -o cert.out
cmp cert.der cert.out
in_token --list-objects --type cert >list
has list 'label: +leaf'
has list 'subject: +DN: O=Example, CN=a certificate'

section 'a private data object in the store'
head -c 4000 /dev/urandom >data # pkcs11-tool reads at most 5000 bytes
logged_in --write-object data --type data --private --label secret --application-label example
logged_in --read-object --type data --label secret --application-label example -o data.out
cmp data data.out
refused in_token --read-object --type data --label secret --application-label example -o none
in_token --list-objects --type data >list
has_not list secret

section 'a public data object is read without a login'
printf 'seen by all' >open
logged_in --write-object open --type data --label open --application-label example
in_token --read-object --type data --label open --application-label example -o open.out
cmp open open.out

section 'an area in NV'
for size in 1 32 1024 1500 2048; do
  head -c $size /dev/urandom >area
  index=$(printf '0x018%05x' $size)
  logged_in --write-object area --type data --private --label "$index" --application-label tpm-nv
  logged_in --read-object --type data --label "$index" --application-label tpm-nv -o area.out
  cmp area area.out
done
refused logged_in --write-object area --type data --private --label 0x01800001 --application-label tpm-nv # taken
head -c 2049 /dev/urandom >area
refused logged_in --write-object area --type data --private --label 0x01810000 --application-label tpm-nv # too large
logged_in --list-objects --type data >list
has list "label: +'0x01800400'"
has_not list 0x01810000
in_token --list-objects --type data >list
has_not list 0x0180

section 'deleting'
logged_in --delete-object --type data --label 0x01800001 --application-label tpm-nv
logged_in --delete-object --type data --label secret --application-label example
logged_in --delete-object --type cert --id 0a
logged_in --list-objects >list
has_not list 'leaf|secret|0x01800001'
has list 'label: +.0x01800400'
logged_in --write-object open --type data --private --label 0x01800001 --application-label tpm-nv # free again
logged_in --read-object --type data --label 0x01800001 --application-label tpm-nv -o area.out
cmp open area.out

section 'the file is DER that any tool reads'
openssl asn1parse -inform DER -in "$(store_of client)" >/dev/null
