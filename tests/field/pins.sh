#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# PINs and recovery phrases in practice: files written by an editor on Windows, PINs that look like phrases, a locked PIN.
. "$VTPM_SOURCE/tests/client/client.sh"
: "${VTPM_TOOL:?}"
umask 077
slots() { "$VTPM_TOOL" keyslot list client --json | jq -r '[.slots[] | "\(.keyslot):\(.role)"] | join(" ")'; }
logs_in() { PIN=$1 logged_in --list-objects >/dev/null 2>&1; }

printf '%s\r\n' "$SO_PIN" >so-pin
printf '%s\r\n' "$PIN" >pin
printf '%s' "$PIN" >plain
: >empty
printf '\r\n' >empty-line

section 'one line end is no part of a PIN: the tool'
"$VTPM_TOOL" init --label client --so-pin-file so-pin --pin-file pin >/dev/null
logs_in "$PIN"
"$VTPM_TOOL" rename client client --pin-fd 5 5<plain
"$VTPM_TOOL" rename client client --pin-file pin
"$VTPM_TOOL" rename client client --as so --pin-file so-pin
mkdir credentials
cp pin credentials/vtpm.user-pin
CREDENTIALS_DIRECTORY=$scratch/credentials "$VTPM_TOOL" rename client client

section 'and the module'
cat >>"$VTPM_PKCS11_CONF" <<TOML
[[token]]
name = "client"
user_pin = "$scratch/by-the-module"
TOML
for source in pin plain; do
  cp "$source" by-the-module
  in_token --login --list-objects </dev/null >/dev/null 2>&1
done
sed -i 's|^user_pin.*|user_pin = "vtpm.user-pin"|' "$VTPM_PKCS11_CONF"
CREDENTIALS_DIRECTORY=$scratch/credentials in_token --login --list-objects </dev/null >/dev/null 2>&1
sed -i 's|^user_pin.*|user_pin = "'"$scratch"'/by-the-module"|' "$VTPM_PKCS11_CONF"

section 'an empty PIN file costs no attempt'
# Ten wrong attempts lock the PIN, so these eleven must not be counted.
for _ in 1 2 3 4 5 6; do
  for none in empty empty-line; do
    refused "$VTPM_TOOL" rename client client --pin-file "$none"
    has refused.out 'nothing was tried'
  done
  refused "$VTPM_TOOL" rename client client --as so --pin-file empty
  has refused.out 'nothing was tried'
  cp empty by-the-module
  refused in_token --login --list-objects </dev/null
  has refused.out 'CKR_FUNCTION_CANCELED'
done
has module.log 'by-the-module: it is empty, or its first line is; nothing was tried'
[ "$("$VTPM_TOOL" list --json | jq -r '.[] | select(.label == "client") | .state')" = ready ]
sed -i '/^\[\[token\]\]/,$d' "$VTPM_PKCS11_CONF"
logs_in "$PIN"
refused "$VTPM_TOOL" init --label other --so-pin-file so-pin --pin-file empty
has refused.out 'pin.empty = true'
[ "$("$VTPM_TOOL" list --json | jq '[.[] | select(.label == "other")] | length')" = 0 ]
printf '[pin]\nempty = true\n' >>"$VTPM_PKCS11_CONF"
"$VTPM_TOOL" init --label other --so-pin-file so-pin --pin-file empty >/dev/null
"$VTPM_TOOL" rename other another --pin-file empty
sed -i '/^\[pin\]/,$d' "$VTPM_PKCS11_CONF"

section 'no user can become the security officer'
printf 'a user that would be SO' >mine
refused "$VTPM_TOOL" keyslot add-key client --pin-file pin --role so --new-pin-file mine
has refused.out "security officer's secret only"
refused "$VTPM_TOOL" keyslot amend client --pin-file pin --input <(printf '{"state": "active", "secret": "mine to be", "role": "so"}')
has refused.out "security officer's secret only"
[ "$(slots)" = '1:so 2:user' ]
"$VTPM_TOOL" keyslot add-key client --as so --pin-file so-pin --role so --new-pin-file mine
refused "$VTPM_TOOL" keyslot del-key client --pin-file pin --keyslot 1
has refused.out "is the security officer's"
"$VTPM_TOOL" keyslot del-key client --pin-file pin --old-pin-file mine
[ "$(slots)" = '1:so 2:user' ]

section 'a slot that holds the secret for another role does not hold it'
refused "$VTPM_TOOL" keyslot add-key client --pin-file pin --keyslot 1 --new-pin-file so-pin
has refused.out 'key slot 1 holds that secret for the role so, not for the role user'
"$VTPM_TOOL" keyslot add-key client --pin-file pin --keyslot 2 --new-pin-file pin | tee add.out
has add.out 'holds that secret already'
printf '{"state": "active", "secret": "%s", "keyslot": 1}' "$SO_PIN" >satisfied
"$VTPM_TOOL" keyslot amend client --pin-file pin --input satisfied | jq -e '.changed == false'

section 'a PIN that looks like a mistyped phrase'
printf '0123456789abcdef0123456789abcd' >hex
printf '11111-22222-33333-44444-55555-66666' >groups
"$VTPM_TOOL" keyslot add-key client --pin-file pin --new-pin-file hex
"$VTPM_TOOL" keyslot add-key client --pin-file pin --new-pin-file groups
"$VTPM_TOOL" keyslot add-key client --pin-file pin --role recovery --generate >phrase.out
grep -o -E '([0-9A-Z]{5}-){5}[0-9A-Z]{5}' phrase.out >phrase
sed -E 's/^A/B/; t; s/^./A/' phrase >typo
"$VTPM_TOOL" keyslot add-key client --pin-file pin --new-pin-file typo
for like_a_phrase in hex groups typo; do logs_in "$(cat "$like_a_phrase")"; done
"$VTPM_TOOL" rename client client --pin-file hex
"$VTPM_TOOL" rename client client --pin-file groups
refused "$VTPM_TOOL" rename client client --pin-file typo
has refused.out 'mistyped in its group 1; nothing was tried .*--as user'
"$VTPM_TOOL" rename client client --as user --pin-file typo
sed -E 's/^(..)(.)(.)/\1\3\2/' phrase >swapped
cmp -s phrase swapped || {
  refused "$VTPM_TOOL" rename client client --pin-file swapped
  has refused.out 'mistyped in its group 1; nothing was tried'
}
# Without a recovery key slot no secret is taken for a mistyped phrase.
"$VTPM_TOOL" keyslot del-key client --pin-file pin --old-pin-file phrase
"$VTPM_TOOL" rename client client --pin-file typo
"$VTPM_TOOL" keyslot del-key client --pin-file pin --old-pin-file typo
refused "$VTPM_TOOL" pin unblock client --recovery --pin-file phrase --new-pin-file hex
has refused.out 'has no recovery phrase'
"$VTPM_TOOL" keyslot add-key client --pin-file pin --role recovery --new-pin-file phrase

section 'a locked PIN is unblocked with the phrase'
for _ in 1 2 3 4 5 6 7 8 9 10; do refused env PIN=wrong-pin pkcs11-tool --module "$VTPM_MODULE" --token-label client --login --pin env:PIN --list-objects; done
refused "$VTPM_TOOL" rename client client --pin-file pin
has refused.out 'pin unblock --recovery'
printf 'a new one' >new
refused "$VTPM_TOOL" pin unblock client --recovery --pin-file pin --new-pin-file new
has refused.out 'not a recovery phrase'
refused "$VTPM_TOOL" pin unblock client --recovery --pin-file typo --new-pin-file new
has refused.out 'mistyped in its group 1; nothing was tried'
refused "$VTPM_TOOL" pin unblock client --recovery --pin-file phrase --new-pin-file <(printf 'abc')
has refused.out '4 to 255 bytes'
[ "$("$VTPM_TOOL" list --json | jq -r '.[] | select(.label == "client") | .state')" = 'user PIN locked' ]
"$VTPM_TOOL" pin unblock client --recovery --pin-file phrase --new-pin-file new
logs_in 'a new one'
refused env PIN="$PIN" pkcs11-tool --module "$VTPM_MODULE" --token-label client --login --pin env:PIN --list-objects
logs_in "$(cat phrase)"
[ "$(slots | tr ' ' '\n' | grep -c user)" = 1 ]
"$VTPM_TOOL" pin unblock client --recovery --pin-file phrase --new-pin-file plain --json | jq -e .changed # not locked: forgotten
logs_in "$PIN"
"$VTPM_TOOL" store check "$(store_of client)"
