#!/bin/bash
# vtpm-token: init, list, store check, store dump; their --help, --json and errors. What init makes, pkcs11-tool uses.
. "$(dirname "$0")/client.sh"
: "${VTPM_TOOL:?}"

(umask 077 && printf '%s' "$PIN" >pin && printf '%s\n' "$SO_PIN" >so-pin)

section 'help'
for command in '' init list mechanisms store 'store check' 'store dump' 'store repair' 'store compact' 'store build' 'store add' 'store extract' 'store export' 'store import' keyslot 'keyslot list' 'keyslot add-key' 'keyslot del-key' 'keyslot change' 'keyslot amend' 'keyslot rekey' ca 'ca create' 'ca certify' attest 'attest key' 'attest quote' 'attest verify' key 'key export-tss' 'key import-tss' swtpm 'swtpm import' 'swtpm export'; do
  # shellcheck disable=SC2086 # words
  "$VTPM_TOOL" $command --help >help.out
  has help.out 'Usage|usage'
  # The manual and the completion know every option.
  for option in $(grep -o -E -- '--[a-z][a-z-]+' help.out | sort -u); do
    has "$VTPM_SOURCE/docs/man/vtpm-token.1" "Fl -${option#--}( |$)"
    has "$VTPM_SOURCE/conf/vtpm-token.bash" "$option"
  done
done

section 'init'
"$VTPM_TOOL" init --label client --so-pin-file so-pin --pin-file pin
[ "$(stat -c %a "$(store_of client)")" = 600 ]
logged_in --keypairgen --key-type EC:prime256v1 --id 01
p11 --token-label client --login --login-type so --so-pin env:SO_PIN --init-pin --new-pin env:PIN

section 'list'
"$VTPM_TOOL" list | tee list.out
has list.out client
"$VTPM_TOOL" list --json | jq -e '.. | .label? | select(. == "client")'

section 'store check and store dump'
store=$(store_of client)
"$VTPM_TOOL" store check "$store"
"$VTPM_TOOL" store check "$store" --json | jq -e type
"$VTPM_TOOL" store dump "$store" | tee dump.out
for name in tpm0/permall keyslot/ token/info obj/; do has dump.out "$name"; done
"$VTPM_TOOL" store dump "$store" --json | jq -e '[.. | .name? | select(. == "tpm0/permall")] | length >= 1'

section 'errors: a sentence that names the thing, a status that is not zero, and nothing changed'
printf 'not a store' >foreign
refused "$VTPM_TOOL" store check foreign
has refused.out foreign
refused "$VTPM_TOOL" store dump foreign
refused "$VTPM_TOOL" store check "$scratch/nothing-here"
has refused.out nothing-here
[ "$(cat foreign)" = 'not a store' ]
refused "$VTPM_TOOL" init --label other --pin-file "$scratch/no-pin-file" --so-pin-file so-pin
has refused.out no-pin-file
refused "$VTPM_TOOL" frobnicate
has refused.out frobnicate
cp "$store" damaged.vtpm
printf 'XXXXXXXXXXXXXXXX' | dd of=damaged.vtpm bs=1 seek=$(($(grep -a -b -o -F tpm0/permall damaged.vtpm | head -n 1 | cut -d : -f 1) - 40)) conv=notrunc status=none
sha256sum damaged.vtpm >sum
refused "$VTPM_TOOL" store check damaged.vtpm
cat refused.out
sha256sum -c sum

section 'store repair and store compact'
"$VTPM_TOOL" store repair damaged.vtpm --accept-older | tee repair.out
has repair.out quarantine
"$VTPM_TOOL" store check damaged.vtpm
[ -s damaged.vtpm.quarantine ]
"$VTPM_TOOL" store repair damaged.vtpm --json | jq -e '.changed == false'
"$VTPM_TOOL" store compact damaged.vtpm
"$VTPM_TOOL" store compact damaged.vtpm --json | jq -e .after
refused "$VTPM_TOOL" store repair foreign
has refused.out foreign
refused "$VTPM_TOOL" store compact foreign
[ "$(cat foreign)" = 'not a store' ]

section 'PINs never come from arguments'
refused "$VTPM_TOOL" init --label other --so-pin 12345678 --pin 123456
