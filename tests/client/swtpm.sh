#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The TPM's state goes to the real swtpm and comes back, plain and encrypted; tpm2-tools work on it there.
. "$(dirname "$0")/client.sh"
client 'swtpm and tpm2-tools' swtpm
ours || exit 0 # no other module gives its TPM away
: "${VTPM_TOOL:?}"

(umask 077 && printf '%s' "$PIN" >pin && printf '%s\n' "$SO_PIN" >so-pin)
. "$VTPM_SOURCE/tests/client/swtpm_machine.sh"
import() { "$VTPM_TOOL" swtpm import --pin-file pin "$@"; }
export_to() { "$VTPM_TOOL" swtpm export --pin-file pin "$@"; }

section 'a token goes to swtpm'
"$VTPM_TOOL" init --label client --so-pin-file so-pin --pin-file pin
logged_in --keypairgen --key-type EC:prime256v1 --id 01 --label travels
printf 'from here' >here
logged_in --write-object here --type data --label 0x01800001 --application-label tpm-nv --private
export_to --token client --directory vm
[ "$(stat -c %a vm)$(stat -c %a vm/tpm2-00.permall)" = 700600 ]
refused export_to --token client --directory vm
has refused.out 'contains a TPM 2.0 state already'

section 'there, tpm2-tools read the area, write another, and keep a key'
start_swtpm vm
refused import --token client --directory vm
has refused.out 'swtpm runs on vm'
[ "$(tpm2_nvread -C o 0x01800001)" = 'from here' ]
printf 'from there' >there
tpm2_nvdefine -C o -s 10 -a 'ownerread|ownerwrite|authread|no_da' 0x01800002
tpm2_nvwrite -C o -i there 0x01800002
tpm2_nvdefine -C o -s 4 -a 'ownerread|ownerwrite|write_stclear' 0x01800003
printf 'boot' | tpm2_nvwrite -C o -i - 0x01800003
tpm2_nvdefine -C o -a 'ownerread|ownerwrite|nt=counter' 0x01800004
tpm2_nvincrement -C o 0x01800004
tpm2_createprimary -C o -G ecc -c primary.ctx -Q
tpm2_flushcontext -t # no resource manager here: three objects at most
tpm2_create -C primary.ctx -G ecc -a 'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|sign|noda' -u k.pub -r k.priv -Q
tpm2_flushcontext -t
tpm2_load -C primary.ctx -u k.pub -r k.priv -c k.ctx -Q
tpm2_flushcontext -t
tpm2_evictcontrol -C o -c k.ctx 0x81000010 -Q
tpm2_readpublic -c 0x81000010 -f pem -o k.pem -Q
stop_swtpm

section 'and it comes back: the new things are objects, the old key signs'
import --token client --directory vm
logged_in --read-object --type data --label 0x01800002 -o back
cmp there back
logged_in --read-object --type data --label 0x01800001 -o back
cmp here back
logged_in -O >objects
for index in 0x01800002 0x01800003; do
  awk -v label="'$index'" '/^Data object/ { found = 0 } $1 == "label:" { found = ($2 == label) } found && /flags:/' objects >flags.$index
done
has flags.0x01800002 modifiable
has flags.0x01800003 private
has_not flags.0x01800003 modifiable # a lock until the next start
printf 'message' >message
openssl dgst -sha256 -binary message >digest
logged_in --sign -m ECDSA --id 01 --signature-format openssl -i digest -o signature
public_key id=%01 pub.der
openssl pkey -pubin -inform DER -in pub.der -out pub.pem
openssl pkeyutl -verify -pubin -inkey pub.pem -in digest -sigfile signature

section 'the key that tpm2-tools persisted is a key pair here'
in_token -O --type pubkey >public # before login
has public 'TPM key 0x81000010'
id=$(awk '$1 == "label:" { found = /0x81000010/ } found && $1 == "ID:" { print $2; exit }' public)
logged_in --sign -m ECDSA --id "$id" --signature-format openssl -i digest -o signature
openssl pkeyutl -verify -pubin -inkey k.pem -in digest -sigfile signature
logged_in --delete-object --type privkey --id "$id"
in_token -O --type pubkey >public
has_not public 'TPM key 0x81000010'

section 'encrypted, both ways, both kinds of key'
printf '0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n' >key256
printf 'a passphrase' >passphrase
export_to --token client --directory locked --key-file key256
start_swtpm locked --key file=key256,mode=aes-256-cbc
[ "$(tpm2_nvread -C o 0x01800001)" = 'from here' ]
stop_swtpm
refused import --token client --directory locked
has refused.out 'encrypted'
printf 'f%.0s' {1..64} >wrong
refused import --token client --directory locked --key-file wrong
has refused.out 'wrong key'
import --token client --directory locked --key-file key256
for kdf in pbkdf2 sha512; do
  export_to --token client --directory "pass-$kdf" --passphrase-file passphrase --kdf $kdf
  start_swtpm "pass-$kdf" --key pwdfile=passphrase,kdf=$kdf
  printf 'via %s' $kdf >via
  tpm2_nvdefine -C o -s "$(stat -c %s via)" 0x01800009 -a 'ownerread|ownerwrite'
  tpm2_nvwrite -C o -i via 0x01800009
  tpm2_nvread -C o 0x01800009 | cmp - via
  stop_swtpm
  import --token client --directory "pass-$kdf" --passphrase-file passphrase --kdf $kdf
  logged_in --read-object --type data --label 0x01800009 -o back
  cmp via back
  logged_in --delete-object --type data --label 0x01800009
done

section 'a TPM of swtpm_setup becomes a token; its certificates are certificates before login'
mkdir ca born
cat >setup.conf <<CONF
create_certs_tool = $(command -v swtpm_localca)
create_certs_tool_config = $scratch/localca.conf
create_certs_tool_options = $scratch/localca.options
CONF
cat >localca.conf <<CONF
statedir = $scratch/ca
signingkey = $scratch/ca/signkey.pem
issuercert = $scratch/ca/issuercert.pem
certserial = $scratch/ca/certserial
CONF
printf -- '--platform-manufacturer Test\n--platform-version 1\n--platform-model Test\n' >localca.options
swtpm_setup --tpm2 --tpmstate born --config setup.conf --createek --create-ek-cert --overwrite >setup.out 2>&1 || { cat setup.out && false; }
start_swtpm born
printf 'ownerpass' >owner-auth
tpm2_changeauth -c o ownerpass
stop_swtpm
refused setsid --wait "$VTPM_TOOL" swtpm import --pin-file pin --label born --so-pin-file so-pin --directory born
has refused.out 'auth value of the owner hierarchy'
import --label born --so-pin-file so-pin --directory born --owner-auth-file owner-auth
p11 --token-label born -O --type cert >certificates
has_not certificates '0x01c00002' # the TPM's own: found by its name, and listed by the tool
"$VTPM_TOOL" ca show --token born >identity
has identity '^TPM certificate 0x01c00002 .*RSA endorsement key'
p11 --token-label born --read-object --type cert --label 'TPM certificate 0x01c00002' -o ek.der
openssl x509 -inform DER -in ek.der -noout -issuer
openssl verify -partial_chain -ignore_critical -CAfile ca/issuercert.pem <(openssl x509 -inform DER -in ek.der)
token=born logged_in --keypairgen --key-type rsa:2048 --id 05
export_to --token born --directory reborn

section 'a suspended machine goes through a token and goes on where it was'
for key in '' 'key256'; do
  suspended=suspended$key resumed=resumed$key
  options=()
  machine=()
  if [ -n "$key" ]; then
    options=(--key-file "$key")
    machine=(--key "file=$key,mode=aes-256-cbc")
  fi
  export_to --token client --directory $suspended "${options[@]}"
  start_swtpm $suspended "${machine[@]}"
  tpm2_pcrextend 16:sha256="$(printf 'a%.0s' {1..64})"
  tpm2_pcrread sha256:16 >before
  has_not before '0x0{64}'
  swtpm_ioctl --unix tpm.ctrl -v
  swtpm_ioctl --unix tpm.ctrl -s
  wait "$swtpm_pid" || true
  swtpm_pid=
  rm -f tpm tpm.ctrl
  [ -f $suspended/tpm2-00.volatilestate ]
  import --token client --directory $suspended "${options[@]}" | tee import.out
  has import.out 'machine is suspended'
  logged_in --sign -m ECDSA --id 01 --signature-format openssl -i digest -o signature # changes nothing in the TPM
  openssl pkeyutl -verify -pubin -inkey pub.pem -in digest -sigfile signature
  export_to --token client --directory $resumed "${options[@]}" | tee export.out
  has export.out 'can resume where it was suspended'
  if [ -z "$key" ]; then
    cmp $suspended/tpm2-00.permall $resumed/tpm2-00.permall
    cmp $suspended/tpm2-00.volatilestate $resumed/tpm2-00.volatilestate
  fi
  [ "$(stat -c %a $resumed/tpm2-00.volatilestate)" = 600 ]
  swtpm socket --tpm2 --tpmstate dir=$resumed --server type=unixio,path="$scratch/tpm" \
    --ctrl type=unixio,path="$scratch/tpm.ctrl" --flags not-need-init "${machine[@]}" >swtpm.log 2>&1 &
  swtpm_pid=$!
  until [ -S tpm ] && [ -S tpm.ctrl ]; do
    kill -0 "$swtpm_pid"
    sleep 0.1
  done
  tpm2_pcrread sha256:16 >after
  cmp before after
  stop_swtpm
  # The suspended state was removed from the token, so that no second machine continues with the same random numbers.
  export_to --token client --directory twice$key "${options[@]}"
  [ ! -e twice$key/tpm2-00.volatilestate ]
done

section 'a change of the TPM ends the suspension; --discard-volatile does not begin one'
import --token client --directory suspended
printf 'since' >since
logged_in --write-object since --type data --label 0x0180000b --application-label tpm-nv --private
export_to --token client --directory changed
[ ! -e changed/tpm2-00.volatilestate ]
import --token client --directory suspended --discard-volatile | tee import.out
has_not import.out 'machine is suspended'
export_to --token client --directory suspended --overwrite
[ ! -e suspended/tpm2-00.volatilestate ] # not beside another permanent state

section 'what import and export reject'
refused import --token client --directory reborn
has refused.out 'of another TPM'
mkdir old
printf 'tpm12' >old/tpm-00.permall
refused import --label old --so-pin-file so-pin --directory old
has refused.out 'TPM 1.2'
refused import --label none --so-pin-file so-pin --directory "$scratch/nowhere"
has refused.out nowhere
cp -r vm damaged
head -c 900 vm/tpm2-00.permall >damaged/tpm2-00.permall
refused import --token client --directory damaged
cp vm/tpm2-00.permall damaged/
touch damaged/tpm2-00.volatilestate
refused import --token client --directory damaged
[ "$("$VTPM_TOOL" list --json | jq '[.[] | select(.label != null)] | length')" = 2 ]
