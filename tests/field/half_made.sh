#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A command that fails leaves nothing behind, so that it can be given again.
. "$(dirname "$0")/../client/client.sh"
: "${VTPM_TOOL:?}"
umask 077
printf '%s' "$PIN" >pin
printf '%s' "$SO_PIN" >so-pin
printf '123' >short
printf '%0256d' 0 >long
: >empty
tool() { "$VTPM_TOOL" "$@"; }
tokens() { find tokens -mindepth 1; }
nothing_made() { # PATTERN COMMAND…
  local pattern=$1 before
  shift
  before=$(tokens)
  refused "$@"
  has refused.out "^vtpm-token: .*$pattern"
  [ "$(tokens)" = "$before" ] || {
    echo "left behind by $*:"
    tokens
    return 1
  }
}

section 'init with PINs that do not fit'
for so in short long empty; do nothing_made '4 to 255|empty' "$VTPM_TOOL" init --label half --so-pin-file $so --pin-file pin </dev/null; done
for user in short long empty; do nothing_made '4 to 255|empty' "$VTPM_TOOL" init --label half --so-pin-file so-pin --pin-file $user </dev/null; done
nothing_made 'user PIN is empty.*pin.empty = true' "$VTPM_TOOL" init --label half --so-pin-file so-pin --no-pin
nothing_made 'user PIN is empty.*pin.empty = true' "$VTPM_TOOL" init --label half --no-pin </dev/null # before it asks for the other
nothing_made 'no-such-file' "$VTPM_TOOL" init --label half --so-pin-file so-pin --pin-file no-such-file
tool init --label half --so-pin-file so-pin --pin-file pin
token=half logged_in --list-objects >/dev/null 2>&1

section 'reinit destroys nothing when the new user PIN does not fit'
serial=$(tool list --json | jq -r '.[] | select(.label == "half").serial')
sum=$(sha256sum "tokens/$serial.vtpm")
nothing_made '4 to 255' "$VTPM_TOOL" reinit half --so-pin-file so-pin --pin-file short
nothing_made 'user PIN is empty' "$VTPM_TOOL" reinit half --so-pin-file so-pin --no-pin
[ "$(sha256sum "tokens/$serial.vtpm")" = "$sum" ]

section 'init that fails half-way'
# There is no space left: the store cannot be made, or cannot grow by the user's key slot.
limited() { # KIB COMMAND…
  local kib=$1
  shift
  (ulimit -f "$kib" && trap '' XFSZ && "$@" 2>&1) | cat # whose files have no limit
}
failures=0
for kib in $(seq 0 4 64); do
  limited "$kib" "$VTPM_TOOL" init --label "$kib KiB" --so-pin-file so-pin --pin-file pin >init.out || failures=$((failures + 1))
  if [ "$(tokens | wc -l)" = 1 ]; then
    has init.out '^vtpm-token: .*/tokens'
  else
    token="$kib KiB" logged_in --list-objects >/dev/null 2>&1
    tool delete "$kib KiB" --yes >/dev/null
  fi
  [ "$(tokens)" = "tokens/$serial.vtpm" ]
done
[ "$failures" -ge 3 ] && [ "$failures" -le 16 ] # both were seen

section 'swtpm import --label'
mkdir state
tool swtpm export --directory state --token half --pin-file pin >/dev/null
import() { "$VTPM_TOOL" swtpm import --directory state --label guest "$@"; }
nothing_made '4 to 255' import --so-pin-file short --pin-file pin
nothing_made '4 to 255' import --so-pin-file so-pin --pin-file short
nothing_made 'empty' import --so-pin-file so-pin --pin-file empty </dev/null
head -c 100 state/tpm2-00.permall >short.state
cp state/tpm2-00.permall whole
cp short.state state/tpm2-00.permall
refused import --so-pin-file so-pin --pin-file pin
[ "$(tokens)" = "tokens/$serial.vtpm" ]
cp whole state/tpm2-00.permall
import --so-pin-file so-pin --pin-file pin >/dev/null
[ "$(tokens | wc -l)" = 2 ]

section 'ca create: both files or none'
mkdir authority
: >authority/ca.pem
refused "$VTPM_TOOL" ca create --directory authority
has refused.out '^vtpm-token: cannot write authority/ca.pem: File exists \(name another directory'
[ "$(ls authority)" = ca.pem ]
rm authority/ca.pem
tool ca create --directory authority >/dev/null
sum=$(cat authority/*.pem | sha256sum)
refused "$VTPM_TOOL" ca create --directory authority
[ "$(cat authority/*.pem | sha256sum)" = "$sum" ]
refused "$VTPM_TOOL" ca create --directory nowhere/authority
has refused.out 'nowhere/authority: No such file'
# There is no space left: the directory is removed again too.
refused limited 0 "$VTPM_TOOL" ca create --directory fresh
has refused.out '^vtpm-token: cannot write fresh/ca-key.pem: File too large'
[ ! -e fresh ]
tool ca create --directory fresh >/dev/null
[ "$(ls fresh)" = $'ca-key.pem\nca.pem' ]
