#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# vtpm-token keyslot rekey: the store keeps its contents, logged-in users are logged out, and the keys of an old copy
# open no new entry. An interruption at any time leaves a store that opens.
. "$(dirname "$0")/client.sh"
: "${VTPM_TOOL:?}"
umask 077
printf '%s' "$PIN" >pin
printf '%s' "$SO_PIN" >so-pin
epoch() { "$VTPM_TOOL" keyslot list client --json | jq '[.slots[].epoch] | unique | .[]'; }

make_token client >/dev/null
logged_in --keypairgen --key-type EC:prime256v1 --id 01 --label kept >/dev/null
head -c 32 /dev/urandom >digest
head -c 100 /dev/urandom >file.key
"$VTPM_TOOL" keyslot add-key client --pin-file pin --role keyfile --new-key-file file.key
phrase=$("$VTPM_TOOL" keyslot add-key client --pin-file pin --role recovery --generate --json | jq -r .phrase)
cp "$(store_of client)" old.vtpm

section 'slots whose secret is not given are named, and need a yes'
refused setsid "$VTPM_TOOL" keyslot rekey client --pin-file pin --keep 1:so-pin </dev/null
has refused.out 'no longer.*: 3 \(keyfile\), 4 \(recovery\)'
has refused.out '--yes'
refused "$VTPM_TOOL" keyslot rekey client --pin-file pin --keep 3:file.key --yes
has refused.out 'security officer must be kept'
refused "$VTPM_TOOL" keyslot rekey client --pin-file pin --keep 1:pin --yes
has refused.out 'key slot 1 does not open it: nothing was changed'
refused "$VTPM_TOOL" keyslot rekey client --pin-file pin --keep 1:so-pin --keep 7:pin --yes
has refused.out 'key slot 7'
refused "$VTPM_TOOL" keyslot rekey client --pin-file pin --keep so-pin --yes
has refused.out 'such as 3:FILE'
[ "$(epoch)" = 1 ]

section 'another process is logged out, and can log in again'
mkfifo go
exec 3<>go
"$VTPM_PROGRAMS/stale_login" "$VTPM_MODULE" client <go 3>&- >stale.out &
stale=$!
until grep -q ready stale.out; do
  kill -0 "$stale"
  sleep 0.05
done
"$VTPM_TOOL" keyslot rekey client --pin-file pin --keep 1:so-pin --keep 3:file.key --yes --json | tee rekey.out
jq -e '.epoch == 2 and .dropped == [4]' rekey.out
echo >&3
exec 3>&-
wait "$stale" || { cat stale.out && false; }
has stale.out '^state 2$' # CKS_RW_PUBLIC_SESSION
has stale.out '^C_Sign CK_RV 0x00000101$' # CKR_USER_NOT_LOGGED_IN
has stale.out '^C_SignInit CK_RV 0x00000060$' # CKR_KEY_HANDLE_INVALID
has stale.out '^private keys 0$'
has stale.out '^keys after login 1$'
has stale.out '^signed$'
has module.log 're-keyed'

section 'everything is there, by the secrets that were kept'
[ "$(epoch)" = 2 ]
logged_in --sign --mechanism ECDSA --label kept -i digest -o signature
printf '{"state": "inactive", "keyslot": 32}' >nothing
"$VTPM_TOOL" keyslot amend client --as so --pin-file so-pin --input nothing >/dev/null
"$VTPM_TOOL" keyslot del-key client --key-file file.key --keyslot 3
refused env PIN="$phrase" pkcs11-tool --module "$VTPM_MODULE" --token-label client --login --pin env:PIN --list-objects
"$VTPM_TOOL" store check "$(store_of client)"
"$VTPM_TOOL" keyslot list "$scratch/old.vtpm" --json | jq -e '[.slots[].epoch] | unique == [1]'

section 'killed at any time: the old store or the new one'
for delay in 0.01 0.03 0.05 0.06 0.07 0.08 0.09 0.1 0.11 0.12 0.13 0.14 0.16 0.2 0.3; do
  timeout -s KILL "$delay" "$VTPM_TOOL" keyslot rekey "$(store_of client)" --pin-file pin --keep 1:so-pin --yes >/dev/null 2>&1 || true
  logged_in --sign --mechanism ECDSA --label kept -i digest -o signature 2>/dev/null
done
echo "epoch $(epoch)"
"$VTPM_TOOL" keyslot rekey client --pin-file pin --keep 1:so-pin
"$VTPM_TOOL" store check "$(store_of client)"
