#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Wrong commands, options and names: the message contains the wrong word and the valid ones.
. "$(dirname "$0")/../client/client.sh"
: "${VTPM_TOOL:?}"
(umask 077 && printf '%s' "$PIN" >pin && printf '%s' "$SO_PIN" >so-pin)
tool() { "$VTPM_TOOL" "$@"; }
init() { tool init --label "$1" --so-pin-file so-pin --pin-file pin "${@:2}"; }
wrong() { # PATTERN COMMAND…: status 2 and one line
  local pattern=$1 status=0
  shift
  "$VTPM_TOOL" "$@" >wrong.out 2>wrong.err || status=$?
  [ "$status" -eq 2 ] && [ "$(wc -l <wrong.err)" -eq 1 ] && [ ! -s wrong.out ] || {
    echo "status $status: $*"
    cat wrong.out wrong.err
    return 1
  }
  has wrong.err "^vtpm-token: .*$pattern"
}

section 'no word, and the word help'
tool >help.out
tool --help >option.out
cmp help.out option.out
tool help | cmp - option.out
for command in init list keyslot 'keyslot add-key' 'store check' swtpm 'swtpm import'; do
  # shellcheck disable=SC2086 # words
  tool $command --help >option.out
  # shellcheck disable=SC2086
  tool help $command | cmp - option.out
  has option.out "Usage: vtpm-token $command"
done
tool keyslot --help | cmp - <(tool keyslot)
tool keyslot --help | cmp - <(tool keyslot help)
tool keyslot list --help | cmp - <(tool keyslot help list)
wrong '"frobnicate".*there are init, list' help frobnicate

section 'commands and options that there are not'
wrong 'there is no command "frobnicate" of vtpm-token: there are init, list, .* and swtpm$' frobnicate
wrong '"lst".*\(did you mean list\?\)' lst
wrong 'no command "add" of vtpm-token keyslot .*add-key.*: there are list, add-key' keyslot add
for group in store keyslot ca key attest swtpm; do
  wrong "no command \"frobnicate\" of vtpm-token $group: there are " $group frobnicate
  wrong "vtpm-token $group has no option --frobnicate: there are --help" $group --frobnicate
done
wrong 'vtpm-token list has no option --jsn \(did you mean --json\?\): there are --help and --json$' list --jsn
wrong 'vtpm-token init has no option --lable \(did you mean --label\?\)' init --lable x
wrong 'vtpm-token init has no option --pin:|vtpm-token init has no option --pin ' init --label x --pin=271828
has_not wrong.err 271828
wrong 'vtpm-token list takes no argument "more"' list more
wrong '--label is required \(vtpm-token init --help\)' init
wrong 'not in \{user,recovery,keyfile,so\}' keyslot add-key x --role admin

section 'tokens that there are not'
wrong 'there is no token "mail" in '"$scratch"'/tokens, nor any other \(vtpm-token init makes one\)' keyslot list mail
init mail >/dev/null
for command in 'keyslot list maail' 'store dump maail' 'store compact maail' 'store repair maail' 'rename maail x' \
  'delete maail' 'reinit maail --so-pin-file so-pin' 'attest quote --token maail --pin-file pin' 'ca certify --directory . --token maail --pin-file pin' \
  'swtpm export --directory . --token maail --pin-file pin'; do
  case $command in 'ca certify'*) tool ca create --directory . >/dev/null ;; esac
  # shellcheck disable=SC2086
  wrong 'no token "maail" in .*/tokens \(did you mean mail\?\): there is "mail"$' $command
done
status=0 # 2 would say that the store can be repaired
tool store check maail 2>wrong.err || status=$?
[ "$status" -eq 1 ]
has wrong.err '^vtpm-token: there is no token "maail"'
logged_in() { p11 --token-label mail --login --pin env:PIN "$@"; }
logged_in --keypairgen --key-type EC:prime256v1 --id 0a --label signer >/dev/null 2>&1
wrong 'no private key "pkcs11:token=mail;object=none": it has "signer" with the id 0a' attest key 'pkcs11:token=mail;object=none' --pin-file pin
refused tool keyslot list nothing.vtpm
has refused.out '^vtpm-token: .*nothing.vtpm: No such file'

section 'init says what was made where, what comes next, and what has that name already'
init second >init.out
serial=$(tool list --json | jq -r '.[] | select(.label == "second").serial')
has init.out "Token \"second\" is in slot [0-9]+, serial number $serial"
has init.out "$scratch/tokens/$serial.vtpm"
has init.out "^Next: pkcs11-tool .*--token-label 'second' --login --keypairgen"
# The command that init suggests works.
next=$(sed -n 's/^Next: //p' init.out)
eval "${next/vtpm-pkcs11.so/"$VTPM_MODULE"} --pin env:PIN" >/dev/null 2>&1
PIN=$PIN p11 --token-label second --login --pin env:PIN --list-objects --type privkey 2>/dev/null | grep -q 'label: *key'
init second --json 2>warned | jq -e --arg dir "$scratch/tokens" '.file == "\($dir)/\(.serial).vtpm"'
has warned "^vtpm-token: warning: there is a token \"second\" already \(serial number $serial\)"
tool rename mail second --pin-file pin >/dev/null 2>warned
has warned 'warning: there is a token "second" already'
tool rename second mail --pin-file pin >/dev/null 2>warned || tool rename "$(basename "$(store_of second)" .vtpm)" mail --pin-file pin >/dev/null
printf '\n' | tool init --label third --so-pin-file so-pin --pin-fd 0 >/dev/null 2>refused.out || has refused.out 'PIN'

section 'store takes a token or a path, as keyslot does'
rm -rf tokens && init mail >/dev/null && store=$(store_of mail) && serial=$(basename "$store" .vtpm)
for name in mail "$serial" 'pkcs11:token=mail' "$store"; do
  for command in check dump repair compact; do
    tool store $command "$name" --json | jq -e --arg file "$store" '.file == $file' >/dev/null
  done
  tool keyslot list "$name" --json | jq -e --arg file "$store" '.file == $file' >/dev/null
done
tool store check mail --pin-file pin >/dev/null
cp "$store" plain # a file without a suffix, by its name alone
tool store check plain >/dev/null
tool keyslot list plain >/dev/null
# The serial number still names a file that cannot be read any more.
cp "$store" whole
printf 'XXXXXXXXXXXX' | dd of="$store" bs=1 seek=$(($(grep -a -b -o -F token/info "$store" | head -n 1 | cut -d : -f 1) - 30)) conv=notrunc status=none
status=0
tool store check "$serial" >check.out || status=$?
[ "$status" -eq 2 ] || [ "$status" -eq 3 ]
cp whole "$store"

section 'an error says which file and why'
if [ "$(id -u)" -eq 0 ]; then
  stranger=(setpriv --reuid=65534 --regid=65534 --clear-groups)
else
  stranger=()
fi
chmod 755 "$scratch"
chmod 644 "$VTPM_PKCS11_CONF" so-pin pin
sed -i '/^log/d' "$VTPM_PKCS11_CONF"
chmod 555 tokens
refused "${stranger[@]}" "$VTPM_TOOL" init --label other --so-pin-file so-pin --pin-file pin
has refused.out "^vtpm-token: cannot make the token: .*cannot create $scratch/tokens/.*: Permission denied"
has_not refused.out CKR_
chmod 755 tokens
printf '%s' 99999999 >not-so
refused tool reinit mail --so-pin-file not-so
has refused.out 'the PIN is wrong'

section 'store compact never makes a store larger'
tool store compact mail >/dev/null
for _ in 1 2; do # a failed login is counted in the room behind the log
  refused tool rename mail mail --pin-file not-so
  before=$(stat -c %s "$store")
  tool store compact mail --json | jq -e --argjson before "$before" '.before == $before and .after <= .before' >/dev/null
  [ "$(stat -c %s "$store")" -le "$before" ]
  tool store check mail --pin-file pin >/dev/null
done
