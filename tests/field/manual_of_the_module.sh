#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Checks vtpm-pkcs11(7) line by line against the module. (Registration and removal are
# in installation.sh, copies and links in stores_test.cc.)
. "$VTPM_SOURCE/tests/client/client.sh"
: "${VTPM_TOOL:?}"
umask 077
page=$VTPM_SOURCE/docs/man/vtpm-pkcs11.7

section 'EXAMPLES: the commands of the page, as they stand there'
mkdir bin credentials
ln -s "$VTPM_TOOL" bin/vtpm-token
cat >bin/pkcs11-tool <<SH
#!/bin/bash
# A reader of the page types the PIN and has the module where dlopen(3) finds it; this test gives the PIN and the path.
LD_LIBRARY_PATH=$(dirname "$VTPM_MODULE") exec "$(command -v pkcs11-tool)" "\$@" --pin env:PIN
SH
chmod +x bin/*
printf '%s' "$PIN" >credentials/vtpm.user-pin
printf '%s' "$SO_PIN" >credentials/vtpm.so-pin
sed -n '/^\.Sh EXAMPLES/,/^\.Ed/p' "$page" | grep -v '^\.' | sed 's/\\e$/\\/' >examples.sh
[ -s examples.sh ]
PATH=$scratch/bin:$PATH CREDENTIALS_DIRECTORY=$scratch/credentials bash -e -u -o pipefail examples.sh
export token=mail
logged_in --list-objects | tee objects.out
has objects.out 'Private Key Object'
has objects.out 'signing'
has objects.out 'never extractable' # made in the TPM

section 'one token is one file'
[ "$(find tokens -type f | wc -l)" = 1 ]
[ "$(store_of mail)" = "$(find "$scratch/tokens" -name '*.vtpm')" ]

section 'without a PIN: objects that are not private, and nothing else'
printf 'public' >public
printf 'private' >private
logged_in --write-object public --type data --label 'public data'
logged_in --write-object private --type data --label 'private data' --private
logged_in --keygen --key-type AES:32 --id 02 --label 'secret key' --private
in_token --read-object --type cert --label 'TPM certificate 0x01c00002' -o certificate
in_token --list-objects | tee objects.out
has objects.out 'Public Key Object'
has objects.out 'public data'
has_not objects.out 'private data|Private Key Object|Secret Key Object'
has_not "$(store_of mail)" private

section 'NV areas: the label names the index, any other label takes the next free one'
for label in 0x01800001 'any other' 'one more'; do
  logged_in --write-object private --type data --label "$label" --application-label tpm-nv --private
done
logged_in --list-objects --type data | tee objects.out
has objects.out "'0x01800001'"
refused logged_in --write-object private --type data --label 0x01800001 --application-label tpm-nv --private
logged_in --read-object --type data --label 'any other' --application-label tpm-nv -o read
cmp read private
in_token --list-objects --type data >objects.out
has_not objects.out '0x01800001|any other'

section 'ENVIRONMENT'
mkdir elsewhere
VTPM_PKCS11_STORE=$scratch/elsewhere "$VTPM_TOOL" list --json | jq -e --arg dir "$scratch/elsewhere" 'all(.directory == $dir)'
sed "s|^store_dir.*|store_dir = \"$scratch/elsewhere\"|" "$VTPM_PKCS11_CONF" >other.toml
VTPM_PKCS11_CONF=$scratch/other.toml "$VTPM_TOOL" list --json | jq -e --arg dir "$scratch/elsewhere" 'all(.directory == $dir)'

section 'FILES: a copy elsewhere is a second TPM with the same keys'
cp "$(store_of mail)" elsewhere/copy.vtpm
logged_in --sign --mechanism ECDSA-SHA256 --id 01 --input-file public -o signature --signature-format openssl
public_key id=%01 key.der
openssl dgst -sha256 -keyform DER -verify key.der -signature signature public
VTPM_PKCS11_STORE=$scratch/elsewhere logged_in --sign --mechanism ECDSA-SHA256 --id 01 --input-file public -o signature --signature-format openssl
openssl dgst -sha256 -keyform DER -verify key.der -signature signature public
