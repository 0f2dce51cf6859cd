#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A certificate authority made by the tool certifies the identity of a token's TPM; openssl and tpm2-tools verify it.
. "$(dirname "$0")/client.sh"
: "${VTPM_TOOL:?}"

(umask 077 && printf '%s' "$PIN" >pin && printf '%s\n' "$SO_PIN" >so-pin)
swtpm_pid=
at_exit() { [ -z "$swtpm_pid" ] || kill "$swtpm_pid" 2>/dev/null || true; }

section 'an authority'
"$VTPM_TOOL" ca create --directory ca --name 'Test CA'
[ "$(stat -c %a ca/ca-key.pem)" = 600 ]
openssl x509 -in ca/ca.pem -noout -ext basicConstraints,keyUsage | tee ca.out
has ca.out 'CA:TRUE'
refused "$VTPM_TOOL" ca create --directory ca
openssl verify -CAfile ca/ca.pem ca/ca.pem

section 'a token gets endorsement keys and certificates, visible before login'
"$VTPM_TOOL" init --label client --so-pin-file so-pin --pin-file pin
"$VTPM_TOOL" ca certify --directory ca --token client --pin-file pin
for index in 0x01c00002 0x01c0000a; do
  in_token --read-object --type cert --label "TPM certificate $index" -o $index.der
  openssl x509 -inform DER -in $index.der -out $index.pem
  openssl verify -ignore_critical -CAfile ca/ca.pem $index.pem # -ignore_critical: OpenSSL knows no TCG names
  openssl x509 -in $index.pem -noout -text >$index.txt
  # OpenSSL 3.5 prints names for these object identifiers.
  has $index.txt '2\.23\.133\.8\.1|Endorsement Key Certificate'
  has $index.txt '2\.23\.133\.2\.1|tcg-at-tpmManufacturer'
done
has 0x01c00002.txt 'Public-Key: \(2048 bit\)'
has 0x01c0000a.txt 'prime256v1'

in_token --read-object --type cert --label 'TPM certificate 0x01c90010' -o ak.der
openssl x509 -inform DER -in ak.der -out ak.pem
openssl verify -CAfile ca/ca.pem ak.pem
openssl x509 -in ak.pem -noout -subject >ak.txt
has ak.txt "$(openssl x509 -in 0x01c00002.pem -pubkey -noout | openssl pkey -pubin -outform DER | sha256sum | cut -d' ' -f1)"
in_token -O --type cert >certificates
has_not certificates . # listings leave the TPM's own out
"$VTPM_TOOL" ca show --token client >identity
for index in 0x01c00002 0x01c0000a 0x01c90010; do has identity "^TPM certificate $index  +certificate of the "; done
has_not identity '0x01c00100' # the self-made issuer, of whom nothing is left
has_not identity 'key 0x'     # without the PIN
"$VTPM_TOOL" ca show --token client --pin-file pin >identity
for key in 'storage root key 0x81000001' 'endorsement key 0x81010001' 'endorsement key 0x81010002'; do has identity "^TPM $key  +public key"; done

section 'they are the keys that any tool derives from this TPM'
"$VTPM_TOOL" swtpm export --token client --pin-file pin --directory vm
swtpm socket --tpm2 --tpmstate dir=vm --server type=unixio,path="$scratch/tpm" \
  --ctrl type=unixio,path="$scratch/tpm.ctrl" --flags startup-clear >swtpm.log 2>&1 &
swtpm_pid=$!
until [ -S tpm ] && [ -S tpm.ctrl ]; do
  kill -0 "$swtpm_pid"
  sleep 0.1
done
export TPM2TOOLS_TCTI=swtpm:path=$scratch/tpm
for kind in rsa:0x81010001:0x01c00002 ecc:0x81010002:0x01c0000a; do
  IFS=: read -r algorithm handle index <<<"$kind"
  tpm2_createek -c ek.ctx -G "$algorithm" -f pem -u derived.pem
  tpm2_flushcontext -t
  tpm2_readpublic -c "$handle" -f pem -o persistent.pem >/dev/null
  openssl x509 -in "$index.pem" -pubkey -noout >certified.pem
  cmp <(openssl pkey -pubin -in derived.pem) <(openssl pkey -pubin -in persistent.pem)
  cmp <(openssl pkey -pubin -in derived.pem) <(openssl pkey -pubin -in certified.pem)
done

section 'certified again: the same keys, other certificates'
"$VTPM_TOOL" ca certify --directory ca --token client --pin-file pin
in_token --read-object --type cert --label 'TPM certificate 0x01c00002' -o again.der
openssl x509 -inform DER -in again.der -pubkey -noout | cmp - <(openssl x509 -in 0x01c00002.pem -pubkey -noout)
refused cmp again.der 0x01c00002.der
refused "$VTPM_TOOL" ca certify --directory nowhere --token client --pin-file pin
has refused.out nowhere

section 'C_InitToken asks the configured authority; initializing anew keeps the identity'
printf '[identity]\nauthority = "%s/ca"\n' "$scratch" >>"$VTPM_PKCS11_CONF"
"$VTPM_TOOL" init --label second --so-pin-file so-pin --pin-file pin
p11 --token-label second --read-object --type cert --label 'TPM certificate 0x01c00002' -o second.der
openssl verify -ignore_critical -CAfile ca/ca.pem <(openssl x509 -inform DER -in second.der)
slot=$("$VTPM_TOOL" list --json | jq '.[] | select(.label == "second") | .slot')
p11 --init-token --slot "$slot" --label third --so-pin env:SO_PIN
p11 --token-label third --read-object --type cert --label 'TPM certificate 0x01c00002' -o third.der
cmp second.der third.der
