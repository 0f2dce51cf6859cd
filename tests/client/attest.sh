#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Evidence about keys and PCRs: tpm2_checkquote and openssl accept what the tool writes, and `attest verify` rejects
# false evidence.
. "$(dirname "$0")/client.sh"
: "${VTPM_TOOL:?}"

(umask 077 && printf '%s' "$PIN" >pin && printf '%s\n' "$SO_PIN" >so-pin)
attest() { "$VTPM_TOOL" attest "$@"; }
verify() { attest verify --ca ca/ca.pem --nonce "$nonce" "$@"; }
nonce=00112233445566778899aabbccddeeff
"$VTPM_TOOL" ca create --directory ca --name 'Test CA'
printf '[identity]\nauthority = "%s/ca"\n' "$scratch" >>"$VTPM_PKCS11_CONF"
"$VTPM_TOOL" init --label client --so-pin-file so-pin --pin-file pin

section 'a key that the TPM made'
logged_in --keypairgen --key-type rsa:2048 --id 01 --label rsa
logged_in --keypairgen --key-type EC:prime256v1 --id 02 --label ec
for name in rsa ec; do
  attest key "pkcs11:token=client;object=$name" --pin-file pin --nonce $nonce --output $name.json
  verify $name.json >$name.out
  has $name.out 'made this key'
  public_key object=$name $name.der
  cmp <(openssl pkey -pubin -in $name.out) <(openssl pkey -pubin -inform DER -in $name.der)
done
verify --json rsa.json | jq -e '.proven and .made_by_this_tpm and .fixed' >/dev/null
jq -r .attestation_certificate rsa.json | openssl verify -CAfile ca/ca.pem

section 'what verification rejects'
refused attest verify --ca ca/ca.pem rsa.json
has refused.out 'nonce'
"$VTPM_TOOL" ca create --directory other --name 'Test CA'
refused attest verify --ca other/ca.pem --nonce $nonce rsa.json
jq --slurpfile other ec.json '.key = $other[0].key' rsa.json >mixed.json
refused verify mixed.json
has refused.out 'the certified key is another one'
jq 'del(.creation)' rsa.json >bare.json
refused verify bare.json
for text in '' '{}' '[1]' '{"format": "vtpm-pkcs11 evidence 1", "about": "key"}'; do
  printf '%s' "$text" >broken.json
  refused verify broken.json
done
refused attest key 'pkcs11:token=client;object=nobody' --pin-file pin
has refused.out nobody
refused attest key 'pkcs11:token=client;object=rsa' --pin-file pin --nonce 0g
has refused.out 'character 2'

section 'imported and software keys'
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -outform DER -out imported.der
logged_in --write-object imported.der --type privkey --id 03 --label imported
attest key 'pkcs11:token=client;id=%03' --pin-file pin --nonce $nonce --output imported.json
refused verify imported.json
has refused.out 'imported'
verify --imported imported.json >imported.out
has imported.out 'copies of it may be elsewhere'
logged_in --keypairgen --key-type rsa:4096 --id 04 --label large
refused attest key 'pkcs11:token=client;object=large' --pin-file pin
has refused.out 'CKA_VTPM_RESIDENT'

section 'a quote, for tpm2_checkquote as well'
mkdir quote
attest quote --token client --pin-file pin --pcrs sha256:0,1,2,16+sha1:0 --nonce $nonce --directory quote --output quote.json 2>quote.err
has quote.err 'nothing on this machine measures'
verify quote.json
tpm2_checkquote -u quote/ak.pem -m quote/quote.msg -s quote/quote.sig -f quote/quote.pcrs -g sha256 -q $nonce \
  -l sha256:0,1,2,16+sha1:0
refused tpm2_checkquote -u quote/ak.pem -m quote/quote.msg -s quote/quote.sig -f quote/quote.pcrs -g sha256 -q 00 \
  -l sha256:0,1,2,16+sha1:0
jq '.values[0] = .values[0][0:62] + "01"' quote.json >forged.json
refused verify forged.json
refused attest quote --token client --pin-file pin --pcrs sha256:24
refused attest quote --token client --pin-file pin --pcrs md5:0

section 'without certificates'
sed -i 's/^authority.*/endorse = false/' "$VTPM_PKCS11_CONF"
"$VTPM_TOOL" init --label bare --so-pin-file so-pin --pin-file pin
token=bare logged_in --keypairgen --key-type EC:prime256v1 --id 01 --label ec
attest key 'pkcs11:token=bare;object=ec' --pin-file pin --nonce $nonce --output bare.json 2>bare.err
has bare.err 'no certificates'
refused verify bare.json
"$VTPM_TOOL" ca certify --directory ca --token bare --pin-file pin
attest key 'pkcs11:token=bare;object=ec' --pin-file pin --nonce $nonce --output bare.json
verify bare.json

section 'a key that allows no mechanism, as an older version stored it'
"$VTPM_TOOL" init --label older --so-pin-file so-pin --pin-file pin
token=older logged_in --keypairgen --key-type EC:prime256v1 --id 02 --label closed --allowed-mechanisms ECDSA
"$VTPM_PROGRAMS/../conformance/record_surgeon" forbid "$(store_of older)" "$PIN"
refused attest key 'pkcs11:token=older;object=none' --pin-file pin --nonce $nonce
has refused.out '"closed" with the id 02 \(allows no mechanism\)'
head -c 32 /dev/urandom >digest
token=older refused logged_in --sign -m ECDSA --id 02 -i digest -o signature --allow-sw
