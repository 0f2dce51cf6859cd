#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Checks that vtpm-token(1) describes the program: synopsis, examples and statements.
. "$(dirname "$0")/../client/client.sh"
: "${VTPM_TOOL:?}"
page=$VTPM_SOURCE/docs/man/vtpm-token.1
mkdir home
export HOME=$scratch/home
vtpm-token() { "$VTPM_TOOL" "$@"; }

# A line for each command of the synopsis: "store check: --json …".
synopsis() {
  awk '/^\.Sh DESCRIPTION/ { exit }
       /^\.Sh SYNOPSIS/ { on = 1 }
       !on { next }
       /^\.Nm/ { if (line != "") print line; line = ""; next }
       /^\.Cm/ { line = substr($0, 5) ":"; next }
       { for (i = 1; i < NF; i++) if ($i == "Fl" || $i == ".Fl") line = line " -" $(i + 1) }
       END { print line }' "$page"
}
# The names behind "Subcommands:" of a help text.
commands_in() { sed -n '/^Subcommands:/,$p' "$1" | awk '/^  [a-z]/ { print $1 }'; }

section 'the synopsis has every command, and no other'
vtpm-token help >help.out
for command in $(commands_in help.out); do
  vtpm-token help "$command" >group.out
  if grep -q '^Subcommands:' group.out; then
    for inner in $(commands_in group.out); do echo "$command $inner"; done
  else
    echo "$command"
  fi
done | sort >commands
synopsis | sed 's/:.*//' | grep -v '^help$' | sort >in_page
diff commands in_page

section 'every option of the synopsis is one of that command'
synopsis >synopsis
while IFS=: read -r command options; do
  # shellcheck disable=SC2086 # words
  vtpm-token help $command >help.out
  for option in $options; do
    has help.out "(^|[ ,])$option([ ,]|$)" || { echo "of: $command" && false; }
  done
done <synopsis

section 'every command has a paragraph, and every option that it describes exists'
while read -r command; do has "$page" "^\.It Cm $command$"; done <commands
for command in $(tr ' ' '+' <commands); do
  # shellcheck disable=SC2086
  vtpm-token help ${command//+/ }
done >all.out
vtpm-token help >>all.out
for option in $(awk '/^\.Ss Options/ { on = 1 } on && /^\.It Fl/' "$page" | grep -o -E 'Fl -[a-z-]+' | sed 's/Fl -/--/;s/^--*/--/' | sort -u); do
  has all.out "(^|[ ,])$option([ ,]|$)"
done

section 'the verdicts of store check, in the order of their conditions'
verdicts=$(awk '/^\.Bl -tag -width unknown-attribute/ { on = 1 } /^\.El/ { on = 0 } on && /^\.It Ql/ { print $3 }' "$page")
for verdict in $verdicts; do grep -q "\"$verdict\"" "$VTPM_SOURCE"/store/*/*.cc || { echo "$verdict is no verdict" && false; }; done
[ "$(wc -w <<<"$verdicts")" -eq 8 ]

section 'the examples can be done'
mkdir -p credentials etc
(umask 077 && printf '%s' "$PIN" >credentials/vtpm.user-pin && printf '%s' "$SO_PIN" >credentials/vtpm.so-pin)
export CREDENTIALS_DIRECTORY=$scratch/credentials
head -c 300 /dev/urandom >eeprom.bin
printf 'chassis' >chassis
head -c 64 /dev/urandom >etc/mail.key
awk '/^\.Sh EXAMPLES/ { on = 1 } /^\.Ed/ { on = 0 } on && /^(vtpm-token|nonce)/' "$page" >examples
[ "$(wc -l <examples)" -ge 10 ]
prepared=no
while read -r line; do
  if [[ $line == *'attest key'* && $prepared = no ]]; then # the key of the example, and an authority
    prepared=yes
    token=mail logged_in --keypairgen --key-type EC:prime256v1 --label key >/dev/null 2>&1
    vtpm-token ca create --directory . >/dev/null
    vtpm-token ca certify --directory . --token mail >/dev/null
    [ "$(stat -c %a ca-key.pem)" = 600 ]
  fi
  line=${line//\/etc\/mail.key/etc/mail.key}
  line=${line//\~\/.local\/share\/vtpm-pkcs11\/0123456789abcdef.vtpm/tokens/*.vtpm}
  eval "$line" >example.out 2>&1 </dev/null || {
    echo "does not work: $line"
    cat example.out
    exit 1
  }
done <examples

section 'statements of the page'
# "The last slot stays, and so does the last one of the security officer."
refused vtpm-token keyslot del-key mail --keyslot 1
# "A key slot, 1 to 32." "What the verifier chose, up to 64 bytes."
refused vtpm-token keyslot add-key mail --keyslot 33 --new-pin-file chassis
vtpm-token attest quote --token mail --nonce "$(printf '%0128d' 0)" --output quote.json 2>/dev/null
refused vtpm-token attest quote --token mail --nonce "$(printf '%0130d' 0)"
# "sha256:0,1,2,3,4,5,6,7" by default.
jq -e '[.. | strings] | any(. == "sha256")' quote.json >/dev/null || grep -q sha256 quote.json
vtpm-token attest verify quote.json --ca ca.pem --nonce "$(printf '%0128d' 0)" --json | jq -e '.pcrs.sha256 | keys | length == 8'
# "attest verify fails if nothing is proven."
refused vtpm-token attest verify quote.json --ca ca.pem --nonce 00
# "The label of the token, up to 32 bytes of UTF-8."
vtpm-token rename mail 'twenty-nine ASCII letters é' >/dev/null
refused vtpm-token rename 'twenty-nine ASCII letters é' '31 letters of ASCII, and then éé'
vtpm-token rename 'twenty-nine ASCII letters é' mail >/dev/null
# "A new key file has 1 byte to 1 MiB."
head -c 1048576 /dev/zero >mebi && head -c 1048577 /dev/zero >too-large && printf x >one && : >none
for file in mebi one; do vtpm-token keyslot add-key mail --role keyfile --new-key-file $file >/dev/null; done
for file in too-large none; do refused vtpm-token keyslot add-key mail --role keyfile --new-key-file $file; done
# "store dump … also their sequence numbers"
vtpm-token store dump mail --json | jq -e 'all(.entries[]; has("sequence"))'
