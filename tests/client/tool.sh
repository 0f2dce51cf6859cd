#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# vtpm-token: init, list, store check, store dump; their --help, --json and errors. pkcs11-tool uses the token that init
# has made.
. "$(dirname "$0")/client.sh"
: "${VTPM_TOOL:?}"

(umask 077 && printf '%s' "$PIN" >pin && printf '%s\n' "$SO_PIN" >so-pin)

section 'help'
cat "$VTPM_SOURCE/conf/vtpm-token.bash" <("$VTPM_TOOL" --print-completion) >completion
for command in '' init list rename reinit delete mechanisms store 'store check' 'store dump' 'store repair' 'store compact' 'store build' 'store add' 'store extract' 'store export' 'store import' keyslot 'keyslot list' 'keyslot add-key' 'keyslot del-key' 'keyslot change' 'keyslot amend' 'keyslot rekey' ca 'ca create' 'ca certify' 'ca show' attest 'attest key' 'attest quote' 'attest verify' key 'key export-tss' 'key import-tss' swtpm 'swtpm import' 'swtpm export'; do
  # shellcheck disable=SC2086 # words
  "$VTPM_TOOL" $command --help >help.out
  has help.out 'Usage|usage'
  # The manual and the completion know every option.
  for option in $(grep -o -E -- '--[a-z][a-z-]+' help.out | sort -u); do
    has "$VTPM_SOURCE/docs/man/vtpm-token.1" "Fl -${option#--}( |$)"
    has completion "$option"
  done
done

section 'completion: commands, options, the words of an option, files'
bash -n completion
completed() { # WORD…: what the last word may become
  bash -c '. ./completion && COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) && _vtpm_token && echo "${COMPREPLY[*]}"' - vtpm-token "$@"
}
[ "$(completed sto)" = store ]
[ "$(completed keyslot a)" = 'add-key amend' ]
[ "$(completed help keyslot re)" = rekey ]
[ "$(completed keyslot rekey --ke)" = '--key-file --key-fd --key-format --keep' ]
[ "$(completed keyslot add-key store --role '')" = 'user recovery keyfile so' ]
[ "$(completed store build x --kdf '')" = 'argon2id pbkdf2' ]
[ "$(completed swtpm import --kdf '')" = 'pbkdf2 sha512' ]
[ "$(completed init --label key --js)" = --json ]
[ -z "$(completed init --label '')" ]
[ "$(completed init --pin-file so-p)" = so-pin ]
[ "$(completed attest verify so-p)" = so-pin ]
[ "$(completed keyslot list tok)" = tokens ] # a directory, or a file that ends in .vtpm
[ "$(completed swtpm export --directory tok)" = tokens ]

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

section 'the verdicts of store check, and its exit status'
status_of() { # STATUS COMMAND…
  local wanted=$1 status=0
  shift
  "$@" >check.out 2>&1 || status=$?
  [ "$status" -eq "$wanted" ] || {
    echo "status $status, not $wanted: $*"
    cat check.out
    return 1
  }
}
printf 'chassis' >chassis
printf 'one' >one
"$VTPM_TOOL" store build devices.vtpm --blob vpd0/a=chassis --clear-blob vpd0/b=chassis --clear-blob vpd0/c=one --pin-file pin --so-pin-file so-pin
"$VTPM_TOOL" store add devices.vtpm --clear-blob vpd0/d=one --pin-file pin
sha256sum devices.vtpm >sum
status_of 0 "$VTPM_TOOL" store check devices.vtpm
has_not check.out 'seal and MAC'
status_of 0 "$VTPM_TOOL" store check devices.vtpm --pin-file pin
has check.out 'every seal and MAC is right'
status_of 0 "$VTPM_TOOL" store check devices.vtpm --as so --pin-file so-pin --json
jq -e '.authenticated and .condition == "clean" and ([.entries[].verdict] | unique == ["sound"])' check.out
status_of 1 "$VTPM_TOOL" store check devices.vtpm --pin-file so-pin
status_of 1 "$VTPM_TOOL" store check no-such.vtpm
sha256sum -c sum # read-only: no login was counted
cp devices.vtpm flipped.vtpm
place=$(grep -a -b -o -F chassis devices.vtpm | tail -n 1 | cut -d : -f 1)
printf 'b' | dd of=flipped.vtpm bs=1 seek="$place" conv=notrunc status=none # c with one bit flipped
status_of 2 "$VTPM_TOOL" store check flipped.vtpm
has check.out "^ +[0-9]+ +[0-9]+  flipped +blob +[0-9]+  vpd0/b"
status_of 2 "$VTPM_TOOL" store check flipped.vtpm --json
jq -e '[.entries[] | select(.verdict == "flipped")] | length == 1 and .[0].name == "vpd0/b" and .[0].condition == "repairable"' check.out
"$VTPM_TOOL" store repair flipped.vtpm --pin-file pin >repair.out
has repair.out 'seal or MAC confirms it'
status_of 0 "$VTPM_TOOL" store check flipped.vtpm --pin-file pin
cp devices.vtpm rotten.vtpm
printf 'XXXXX' | dd of=rotten.vtpm bs=1 seek="$place" conv=notrunc status=none
status_of 3 "$VTPM_TOOL" store check rotten.vtpm
has check.out "^ +[0-9]+ +[0-9]+  rotten +blob +[0-9]+  vpd0/b"
refused "$VTPM_TOOL" store repair rotten.vtpm --pin-file so-pin
"$VTPM_TOOL" store repair rotten.vtpm --as so --pin-fd 3 3<so-pin >repair.out
has repair.out 'vpd0/b.* set aside'
status_of 0 "$VTPM_TOOL" store check rotten.vtpm --pin-file pin
printf '000102030405060708090a0b0c0d0e0f' >raw-key
"$VTPM_TOOL" store build raw.vtpm --blob vpd0/a=chassis --key-file raw-key
status_of 0 "$VTPM_TOOL" store check raw.vtpm --key-file raw-key
has check.out 'every seal and MAC is right'

section 'PINs never come from arguments'
refused "$VTPM_TOOL" init --label other --so-pin 12345678 --pin 123456
