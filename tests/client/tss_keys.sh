#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# TSS2 PRIVATE KEY files: a key of the token signs by tpm2-tools in the real swtpm, keys of tpm2-tools by the token.
. "$(dirname "$0")/client.sh"
: "${VTPM_TOOL:?}"
. "$VTPM_SOURCE/tests/client/swtpm_machine.sh"

(umask 077 && printf '%s' "$PIN" >pin && printf '%s\n' "$SO_PIN" >so-pin)
export_tss() { "$VTPM_TOOL" key export-tss "$@" --pin-file pin; }
import_tss() { "$VTPM_TOOL" key import-tss "$@" --token client --pin-file pin; }
to_machine() { "$VTPM_TOOL" swtpm export --token client --pin-file pin --directory vm --overwrite; }
public_pem() { # LABEL
  public_key "object=$1" "$1.der"
  openssl pkey -pubin -inform DER -in "$1.der" -out "$1.pub.pem"
}
# There is no resource manager, so objects that one tool leaves loaded occupy the slots of the next one.
flush() { tpm2_flushcontext -t && tpm2_flushcontext -l; }
printf 'message' >message
openssl dgst -sha256 -binary message >digest

section 'out'
"$VTPM_TOOL" init --label client --so-pin-file so-pin --pin-file pin
logged_in --keypairgen --key-type EC:prime256v1 --id 01 --label ec
logged_in --keypairgen --key-type rsa:2048 --id 02 --label rsa
export_tss 'pkcs11:token=client;object=ec' --output ec.pem
printf 'a secret\n' >auth
export_tss 'pkcs11:token=client;object=rsa' --auth-file auth --output rsa.pem
[ "$(stat -c %a ec.pem)" = 600 ]
has ec.pem 'BEGIN TSS2 PRIVATE KEY'
openssl asn1parse -in ec.pem >ec.asn1 # the type's OID and the parent's handle, as anyone reads them
has ec.asn1 '2.23.133.10.1.3'
has ec.asn1 'INTEGER +:81000001'
to_machine
start_swtpm vm
tpm2_load -r ec.pem -c ec.ctx -Q
tpm2_sign -c ec.ctx -g sha256 -s ecdsa -f plain -o ec.sig message
flush
tpm2_load -r rsa.pem -c rsa.ctx -Q
refused tpm2_sign -c rsa.ctx -g sha256 -s rsassa -f plain -o rsa.sig message
tpm2_sign -c rsa.ctx -p 'a secret' -g sha256 -s rsassa -f plain -o rsa.sig message
flush
for key in ec rsa; do
  public_pem $key
  openssl dgst -sha256 -verify $key.pub.pem -signature $key.sig message
done

section 'in: keys that tpm2-tools made under the same storage root key'
tpm2_create -C 0x81000001 -G ecc -u e.pub -r e.priv -Q
tpm2_encodeobject -C 0x81000001 -u e.pub -r e.priv -o their-ec.pem
tpm2_create -C 0x81000001 -G rsa2048 -p theirs -u r.pub -r r.priv -Q
tpm2_encodeobject -C 0x81000001 -u r.pub -r r.priv -p -o their-rsa.pem
tpm2_create -C 0x81000001 -G ecc:ecdsa-sha256 -u f.pub -r f.priv -Q
tpm2_encodeobject -C 0x81000001 -u f.pub -r f.priv -o fixed-scheme.pem
flush
tpm2_createprimary -C o -G ecc -c other.ctx -Q
flush
tpm2_create -C other.ctx -G ecc -u o.pub -r o.priv -Q
flush
tpm2_encodeobject -C 0x81000001 -u o.pub -r o.priv -o of-other-parent.pem
tpm2_readpublic -c 0x81000001 -o root.pub -Q
stop_swtpm
import_tss their-ec.pem --label their-ec --id 0a
printf 'wrong\n' >wrong
refused import_tss their-rsa.pem --label their-rsa --auth-file wrong
has refused.out 'authorization'
# There is no terminal on which the tool could ask.
refused setsid --wait "$VTPM_TOOL" key import-tss their-rsa.pem --token client --pin-file pin --label their-rsa
has refused.out 'auth value'
printf 'theirs\n' >their-auth
import_tss their-rsa.pem --label their-rsa --auth-file their-auth | tee import.out
id=$(sed -n 's/.*id \([0-9a-f]*\)\.$/\1/p' import.out)
public_pem their-ec
public_pem their-rsa
logged_in --sign -m ECDSA --id 0a --signature-format openssl -i digest -o signature
openssl pkeyutl -verify -pubin -inkey their-ec.pub.pem -in digest -sigfile signature
logged_in --sign -m SHA256-RSA-PKCS --id "$id" -i message -o signature
openssl dgst -sha256 -verify their-rsa.pub.pem -signature signature message

section 'in: a key that was wrapped for this TPM elsewhere'
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out outside.pem
tpm2_duplicate --tcti none -U root.pub -G ecc -k outside.pem -u d.pub -r d.priv -s d.seed
hex() { od -An -v -tx1 "$1" | tr -d ' \n'; }
cat >importable.cnf <<CNF
asn1 = SEQUENCE:key
[key]
type = OID:2.23.133.10.1.4
auth = EXPLICIT:0,BOOLEAN:true
secret = EXPLICIT:2,FORMAT:HEX,OCTETSTRING:$(hex d.seed)
parent = INTEGER:0x81000001
public = FORMAT:HEX,OCTETSTRING:$(hex d.pub)
private = FORMAT:HEX,OCTETSTRING:$(hex d.priv)
CNF
openssl asn1parse -genconf importable.cnf -noout -out importable.der
{
  echo '-----BEGIN TSS2 PRIVATE KEY-----'
  base64 -w 64 importable.der
  echo '-----END TSS2 PRIVATE KEY-----'
} >importable.pem
import_tss importable.pem --label outside --id 0b
public_pem outside
cmp <(openssl pkey -in outside.pem -pubout) outside.pub.pem
logged_in --sign -m ECDSA --id 0b --signature-format openssl -i digest -o signature
openssl pkeyutl -verify -pubin -inkey outside.pub.pem -in digest -sigfile signature
logged_in -O --type privkey >keys
awk '/label:/ { label = $2 } /Access:/ { print label, $0 }' keys >access
has access '^their-ec .*never extractable'
has_not access '^outside .*never extractable'

section 'and out again'
export_tss 'pkcs11:token=client;object=their-ec' --output again.pem
to_machine
start_swtpm vm
tpm2_load -r again.pem -c again.ctx -Q
tpm2_sign -c again.ctx -g sha256 -s ecdsa -f plain -o again.sig message
stop_swtpm
openssl dgst -sha256 -verify their-ec.pub.pem -signature again.sig message

section 'what import rejects'
refused import_tss of-other-parent.pem
has refused.out 'not the parent'
refused import_tss fixed-scheme.pem
has refused.out 'the token cannot use the key'
sed 's/^M/N/' ec.pem >broken.pem
for file in broken.pem message outside.pem nowhere.pem; do refused import_tss $file; done
refused export_tss 'pkcs11:token=client;object=nobody'
printf '%033d\n' 0 >long
refused export_tss 'pkcs11:token=client;object=ec' --auth-file long
has refused.out '32 bytes'
