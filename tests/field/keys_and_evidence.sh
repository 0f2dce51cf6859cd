#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# False evidence, keys of other programs that are imported twice or in another form, keys with an auth value, and certificates
# of a host whose clock was never set.
. "$VTPM_SOURCE/tests/client/client.sh"
: "${VTPM_TOOL:?}" "${VTPM_PROGRAMS:?}"
. "$VTPM_SOURCE/tests/client/swtpm_machine.sh"
(umask 077 && printf '%s' "$PIN" >pin && printf '%s' "$SO_PIN" >so-pin)
nonce=00112233445566778899aabbccddeeff
attest() { "$VTPM_TOOL" attest "$@"; }
verify() { attest verify --ca ca/ca.pem --nonce "$nonce" "$@"; }
import_tss() { "$VTPM_TOOL" key import-tss "$@" --token client --pin-file pin; }
in_1970() { LD_PRELOAD=$VTPM_PROGRAMS/early_clock.so "$@"; }
"$VTPM_TOOL" ca create --directory ca
printf '[identity]\nauthority = "%s/ca"\n' "$scratch" >>"$VTPM_PKCS11_CONF"
"$VTPM_TOOL" init --label client --so-pin-file so-pin --pin-file pin >init.out
logged_in --keypairgen --key-type EC:prime256v1 --id 01 --label ec >/dev/null

section 'values that were shifted between registers'
attest quote --token client --pin-file pin --pcrs sha256:0,1,2+sha1:0,1 --nonce $nonce --output quote.json
verify quote.json >/dev/null
jq '.values[1] = .values[0][62:] + .values[1] | .values[0] = .values[0][0:62]' quote.json >shifted.json
refused verify shifted.json
jq '.values = [(.values | add), "", "", "", ""]' quote.json >shifted.json
refused verify shifted.json
jq '.values[0] = .values[0] + .values[1] | .values[1] = ""' quote.json >shifted.json
refused verify shifted.json
has refused.out 'not the quoted ones'

section 'which registers'
for pcrs in sha256: sha256 : '' 'sha256:0,' 'sha256:,0' sha256:0+ +sha256:0 sha256:all,0 sha256:24 sha256:-1 md5:0 sha256:0+sha256:1; do
  refused setsid --wait "$VTPM_TOOL" attest quote --token client --pcrs "$pcrs" # no PIN is asked for
  has_not refused.out 'user PIN is needed'
done
attest quote --token client --pin-file pin --pcrs sha256:all+sha1:all --nonce $nonce --output all.json
verify all.json --json | jq -e '[.pcrs[] | length] == [24, 24]'

section 'what evidence is about'
attest key 'pkcs11:token=client;object=ec' --pin-file pin --nonce $nonce --output key.json
verify key.json >/dev/null
for about in '"Key"' '"keys"' '""'; do
  jq ".about = $about" key.json >about.json
  refused verify about.json
  has refused.out 'neither a key nor a quote'
done

section 'the PIN of a token that does not exist is not asked for'
for command in 'attest key pkcs11:token=nobody;object=ec' 'attest quote --token nobody' \
  'key export-tss pkcs11:token=nobody;object=ec' 'ca certify --directory ca --token nobody' \
  'swtpm export --token nobody --directory vm' 'swtpm import --token nobody --directory vm' \
  'swtpm import --label new --directory nowhere'; do
  refused setsid --wait "$VTPM_TOOL" $command
  has refused.out 'nobody|nowhere'
  has_not refused.out 'PIN is needed'
done

section 'a key file in every form, and twice'
"$VTPM_TOOL" swtpm export --token client --pin-file pin --directory vm >/dev/null
start_swtpm vm
tpm2_create -C 0x81000001 -G ecc -u e.pub -r e.priv -Q
tpm2_encodeobject -C 0x81000001 -u e.pub -r e.priv -o theirs.pem
tpm2_flushcontext -t
tpm2_createprimary -C o -G ecc -p sesame -c guarded.ctx -Q \
  -a 'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|sign|decrypt'
tpm2_evictcontrol -C o -c guarded.ctx 0x81000010 -Q
stop_swtpm
"$VTPM_TOOL" swtpm import --token client --pin-file pin --directory vm >/dev/null
import_tss theirs.pem --label theirs --id 0a
for label in theirs other; do
  refused import_tss theirs.pem --label $label
  has refused.out 'has this key already: label "theirs", id 0a'
done
"$VTPM_TOOL" key export-tss 'pkcs11:token=client;object=theirs' --pin-file pin --output ours.pem
refused import_tss ours.pem
forget() { logged_in --delete-object --type privkey --id 0a && logged_in --delete-object --type pubkey --id 0a; }
signs() {
  printf 'message' >message
  logged_in --sign -m ECDSA-SHA256 --id 0a -i message -o signature 2>/dev/null
}
sed '/^-/d' theirs.pem | base64 -d >theirs.der
forget
import_tss theirs.der --id 0a
signs
forget
import_tss - --id 0a <theirs.pem
signs
forget
# 0x81000001 as a 32-bit signed number: 02 04 81000001 in the place of 02 05 0081000001, and the lengths around it.
od -An -v -tx1 theirs.der | tr -d ' \n' >theirs.hex
has theirs.hex 02050081000001
size=$((16#$(cut -c5-6 theirs.hex)))
[ "$(cut -c1-4 theirs.hex)" = 3081 ]
{ printf '3081%02x' $((size - 1)) && cut -c7- theirs.hex | sed 's/02050081000001/020481000001/'; } | tr -d '\n' |
  sed 's/../\\x&/g' | xargs -0 printf '%b' >negative.der
openssl asn1parse -inform DER -in negative.der >negative.asn1
has negative.asn1 'INTEGER +:-7EFFFFFF'
import_tss negative.der --id 0a
signs

section 'the auth value of a persistent key, set after it was missed'
"$VTPM_PROGRAMS/auth_of_key" "$VTPM_MODULE" client wrong sesame wrong sesame >auth.out
missing='CK_RV 0x00000101' # CKR_USER_NOT_LOGGED_IN, for which p11-kit has no name
printf '%s\n' "$missing" "$missing" CKR_OK "$missing" CKR_OK | diff - auth.out
"$VTPM_PROGRAMS/auth_of_key" "$VTPM_MODULE" client >auth.out # another process
has auth.out '^CKR_OK$'

section 'certificates of a machine whose clock was never set'
[ "$(in_1970 date +%Y)" = 1970 ]
in_1970 "$VTPM_TOOL" init --label early --so-pin-file so-pin --pin-file pin >init.out
in_1970 "$VTPM_TOOL" ca certify --directory ca --token early --pin-file pin
token=early logged_in --keypairgen --key-type EC:prime256v1 --id 01 --label ec >/dev/null
attest key 'pkcs11:token=early;object=ec' --pin-file pin --nonce $nonce --output early.json
verify early.json >/dev/null
printf 'notBefore=Jan  1 00:00:00 2020 GMT\nnotAfter=Dec 31 23:59:59 9999 GMT\n' >dates
openssl x509 -in ca/ca.pem -noout -dates | diff dates -
for name in attestation endorsement; do
  jq -r ".${name}_certificate" early.json | openssl x509 -noout -dates | diff dates -
done
openssl x509 -in ca/ca.pem -outform DER | openssl asn1parse -inform DER >ca.asn1
has ca.asn1 'UTCTIME +:200101000000Z' # RFC 5280, 4.1.2.5: until 2049
has ca.asn1 'GENERALIZEDTIME +:99991231235959Z'
sed -i '/^authority/d' "$VTPM_PKCS11_CONF"
in_1970 "$VTPM_TOOL" init --label alone --so-pin-file so-pin --pin-file pin >init.out # a self-made authority
p11 --token-label alone --read-object --type cert --label 'TPM certificate 0x01c00100' -o alone.der
openssl x509 -inform DER -in alone.der -noout -dates | diff dates -

section 'an authority is not made with such a clock'
refused in_1970 "$VTPM_TOOL" ca create --directory early
has refused.out '1970-01-01, a day before this program was built'
[ ! -e early ]
