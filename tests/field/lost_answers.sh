#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Output to a full disk, a closed pipe or a device; and hostile labels.
. "$(dirname "$0")/../client/client.sh"
: "${VTPM_TOOL:?}"
(umask 077 && printf '%s' "$PIN" >pin && printf '%s\n' "$SO_PIN" >so-pin)
tool() { "$VTPM_TOOL" "$@"; }
init() { tool init --label "$1" --so-pin-file so-pin --pin-file pin "${@:2}" >/dev/null; }
slots() { tool keyslot list client --json | jq -c '[.slots[].keyslot]'; }
# A command whose output cannot be printed fails and says so on standard error.
untold() {
  local status=0
  "$VTPM_TOOL" "$@" >/dev/full 2>untold.err || status=$?
  [ "$status" -eq 1 ] || {
    echo "status $status, not 1: $*"
    cat untold.err
    return 1
  }
  has untold.err '^vtpm-token: .*cannot write to the standard output: No space left on device'
}

init client
store=$(store_of client)
logged_in --keypairgen --key-type EC:prime256v1 --id 01 --label ec >/dev/null 2>&1
printf 'chassis' >blob
tool store build blobs.vtpm --cipher none --blob vpd0/a=blob >/dev/null

section 'every command that prints fails when its output cannot be written'
for command in '' help --help --version 'keyslot --help' list 'list --json' mechanisms 'mechanisms --json' 'config check' 'config show' 'keyslot list client' \
  "store check $store" "store check $store --json" "store dump $store" "store compact $store" "store repair $store" \
  'store extract blobs.vtpm vpd0/a' 'store export blobs.vtpm --fixed blobs.fixed' 'store import blobs.fixed again.vtpm' \
  'rename client client --pin-file pin' 'ca create --directory authority' 'ca certify --directory authority --token client --pin-file pin' \
  'attest quote --token client --pin-file pin' 'attest key pkcs11:token=client;object=ec --pin-file pin' \
  'key export-tss pkcs11:token=client;object=ec --pin-file pin' 'swtpm export --directory state --token client --pin-file pin' \
  'init --label other --so-pin-file so-pin --pin-file pin' 'reinit other --so-pin-file so-pin --pin-file pin' \
  'delete other --yes'; do
  mkdir -p state
  # shellcheck disable=SC2086 # words
  untold $command
done

section 'a recovery phrase that could not be shown opens nothing, and replaces nothing'
untold keyslot add-key client --pin-file pin --role recovery --generate
untold keyslot add-key client --pin-file pin --role recovery --generate --json
[ "$(slots)" = '[1,2]' ]
without_output() { "$VTPM_TOOL" "$@" >&-; }
refused without_output keyslot add-key client --pin-file pin --role recovery --generate
[ "$(slots)" = '[1,2]' ]
# If the reader of its output is gone, the command ends before it changes anything.
tool keyslot add-key client --pin-file pin --role recovery --generate 2>/dev/null | true || true
[ "$(slots)" = '[1,2]' ]
tool keyslot add-key client --pin-file pin --role recovery --generate --json >phrase.json
jq -e '.changed and .keyslot == 3' phrase.json
[ "$(slots)" = '[1,2,3]' ]
(umask 077 && jq -r .phrase phrase.json >phrase)
untold keyslot change client --pin-file phrase --generate
PIN=$(cat phrase) logged_in --list-objects >/dev/null 2>&1
tool keyslot change client --pin-file phrase --generate >changed.out
refused env PIN="$(cat phrase)" pkcs11-tool --module "$VTPM_MODULE" --token-label client --login --pin env:PIN --list-objects
PIN=$(grep -o -E '([0-9A-Z]{5}-){5}[0-9A-Z]{5}' changed.out) logged_in --list-objects >/dev/null 2>&1
# No phrase is shown if no key slot can be added.
refused "$VTPM_TOOL" keyslot add-key client --pin-file pin --role recovery --generate --keyslot 2
has_not refused.out '([0-9A-Z]{5}-){5}'

section '--output writes into devices and FIFOs, which stay'
extract() { tool store extract blobs.vtpm vpd0/a --output "$1"; }
mkfifo fifo
cat fifo >from.fifo &
extract fifo
wait $!
cmp blob from.fifo
[ -p fifo ]
# The test makes a device of its own, so that it never replaces one of the host.
if mknod null c 1 3 2>/dev/null && (: >null) 2>/dev/null; then
  extract null
  [ -c null ]
fi
if mknod full c 1 7 2>/dev/null && (: >>full) 2>/dev/null; then
  refused extract full
  has refused.out 'cannot write full: No space left on device'
fi
extract /dev/stdout | cmp - blob
extract /dev/fd/7 7>numbered
cmp numbered blob
mkdir directory
refused extract directory
has refused.out 'cannot write directory: it is a directory'

section '--output of a symbolic link: its target, if no other user can have made it'
mkdir own own/deep open
chmod 1777 open
printf 'before' >own/deep/file
ln -s deep/file own/link
ln -s ../own/link own/deep/../second
extract own/second
[ -L own/second ] && [ -L own/link ] && [ "$(cat own/deep/file)" = chassis ]
ln -s new own/dangling
extract own/dangling
[ -L own/dangling ] && [ "$(cat own/new)" = chassis ]
printf 'before' >own/victim
ln -s "$scratch/own/victim" open/link
refused extract open/link
has refused.out 'cannot write open/link: it is a symbolic link, and others can write to the directory open'
ln -s "$scratch/open/file" own/outward
refused extract own/outward
[ "$(cat own/victim)" = before ] && [ -L open/link ] && [ ! -e open/file ]
ln -s loop own/loop
refused extract own/loop
extract own/victim
[ "$(cat own/victim)" = chassis ]
[ -z "$(find . -name '*.new-*')" ]

section 'labels and paths that are no text'
mkdir -p $'odd\ndirectory \xfe'
cp "$VTPM_PKCS11_CONF" with_odd.toml
sed -i "s|^store_dir = .*|store_dir = \"$scratch/odd\\\\ndirectory\"|" with_odd.toml
rm -rf tokens && mkdir tokens
init $'caf\xe9 \xff'
init $'\e]0;owned\a\x7f\xc2\x9b31m'
init $'two\nlines'
tool list --json >list.json
jq -e 'length == 4 and ([.[] | select(.state == "ready")] | length == 3)' list.json
jq -e 'any(.label == "caf\ufffd \ufffd") and any(.label == "\u001b]0;owned\u0007\u007f\u009b31m") and any(.label == "two\nlines")' list.json
tool list >list.out
plain() { # FILE: no control character but line ends, and UTF-8
  iconv -f UTF-8 -t UTF-8 "$1" >/dev/null
  if LC_ALL=C grep -q $'[\x01-\x09\x0b-\x1f\x7f]' "$1" || LC_ALL=C grep -q $'\xc2[\x80-\x9f]' "$1"; then
    echo "$1 has control characters:"
    cat -v "$1"
    return 1
  fi
}
plain list.out
plain list.json
has list.out 'caf\\xe9 \\xff'
has list.out '\\u001b]0;owned\\u0007\\u007f\\u009b31m'
has list.out ' two\\u000alines '
refused "$VTPM_TOOL" keyslot list $'none\e[2J\nvtpm-token: all is well'
plain refused.out
[ "$(wc -l <refused.out)" = 1 ]
refused "$VTPM_TOOL" keyslot list --$'\e[2J'
plain refused.out
tool rename $'two\nlines' $'three\n\e[1mlines' --pin-file pin >rename.out
plain rename.out
[ "$(wc -l <rename.out)" = 1 ]
refused "$VTPM_TOOL" delete $'three\n\e[1mlines' </dev/null
plain refused.out
VTPM_PKCS11_CONF=$scratch/with_odd.toml tool list >list.out
plain list.out
