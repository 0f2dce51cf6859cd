#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# vtpm-token with an erroneous configuration does not use the defaults instead. And the output of `config` for a correct one.
. "$(dirname "$0")/../client/client.sh"
: "${VTPM_TOOL:?}"
good=$(cat "$VTPM_PKCS11_CONF")
(umask 077 && printf '%s' "$PIN" >pin && printf '%s' "$SO_PIN" >so-pin)
export XDG_DATA_HOME=$scratch/data XDG_CONFIG_HOME=$scratch/config
mkdir data config

# broken PATTERN [STATUS]: every command that uses the configuration ends with 2 and says why, and `tpm` stays alone.
broken() {
  local status command
  for command in list 'init --label x --so-pin-file so-pin --pin-file pin' 'delete x --yes' 'keyslot list x' \
    'rename x y' 'attest key x --nonce 00 --pin-file pin' 'config check' 'config show'; do
    status=0
    # shellcheck disable=SC2086 # words
    "$VTPM_TOOL" $command >out 2>err </dev/null || status=$?
    [ "$status" -eq 2 ] || {
      echo "status $status: vtpm-token $command"
      cat out err
      return 1
    }
    has err "^vtpm-token: $1"
    [ ! -s out ]
  done
  [ -z "$(find tokens data config -type f)" ]
}

section 'a spelling mistake'
printf 'placment = "tpm-only"\n%s\n' "$good" >"$VTPM_PKCS11_CONF"
broken "$VTPM_PKCS11_CONF:1:1: placment is not a setting\$"

section 'everything that is wrong is said, in the order of the file'
printf 'placement = "tpm"\n%s\nlane = 1\n' "${good//8192/4096}" >"$VTPM_PKCS11_CONF"
broken "$VTPM_PKCS11_CONF:1:13: placement must be one of \"auto\", \"tpm-only\", \"software\"\$"
"$VTPM_TOOL" config check 2>said || :
sed "s|^vtpm-token: $VTPM_PKCS11_CONF:||" said | diff - /dev/fd/3 3<<'SAID'
1:13: placement must be one of "auto", "tpm-only", "software"
7:14: kdf.memory_kib must be between 8192 and 1048576
10:1: kdf.lane is not a setting
SAID
status=0
"$VTPM_TOOL" config check --json >check.json 2>err || status=$?
[ "$status" -eq 2 ] && [ ! -s err ]
jq -e --arg file "$VTPM_PKCS11_CONF" '.file == $file and .valid == false and (.problems | length) == 3 and
  .problems[1] == {source: $file, line: 7, column: 14, reason: "kdf.memory_kib must be between 8192 and 1048576"}' check.json

section 'a syntax error, a file that is not there, a variable that is no path'
printf '%s\nplacement = tpm-only\n' "$good" >"$VTPM_PKCS11_CONF"
broken "$VTPM_PKCS11_CONF:9:14: "
rm "$VTPM_PKCS11_CONF"
broken "$VTPM_PKCS11_CONF: does not exist, and \\\$VTPM_PKCS11_CONF names it\$"
printf '%s\n' "$good" >"$VTPM_PKCS11_CONF"
VTPM_PKCS11_STORE=tokens broken '\$VTPM_PKCS11_STORE: must be an absolute path, not tokens$'

section 'no configuration is in order'
VTPM_PKCS11_CONF='' "$VTPM_TOOL" config check >said
has said 'There is no configuration file|The configuration file is /etc'

section 'a configuration that is in order, and where each value comes from'
"$VTPM_TOOL" config check >said
has said "$VTPM_PKCS11_CONF"
cat >"$VTPM_PKCS11_CONF" <<TOML
placement = "tpm-only"
pin.user_limit = 3
[kdf]
  memory_kib = 16384
[[token]]
name = "a \"name\""
user_pin = "vtpm.user-pin"
TOML
"$VTPM_TOOL" config show >shown
file=$VTPM_PKCS11_CONF
has shown "^placement = \"tpm-only\"  # $file:1\$"
has shown "^user_limit = 3  # $file:2\$"
has shown "^memory_kib = 16384  # $file:4\$"
has shown "^passes = 3  # default\$"
has shown "^user_pin = \"vtpm.user-pin\"  # $file:7\$"
"$VTPM_TOOL" config show --json >show.json
jq -e '[.settings[] | {(.name): .value}] | add |
  .placement == "tpm-only" and .["pin.user_limit"] == 3 and .["kdf.memory_kib"] == 16384 and .free_slot == true and
  .["token[0].name"] == "a \"name\"" and .log == ""' show.json
VTPM_PKCS11_STORE=$scratch/elsewhere "$VTPM_TOOL" config show --json |
  jq -e --arg there "$scratch/elsewhere" '.settings[] | select(.name == "store_dir") | .value == $there and .from == "$VTPM_PKCS11_STORE"'
if [ "$(id -u)" -ne 0 ]; then
  has shown "^store_dir = \"$scratch/data/vtpm-pkcs11\"  # default in \\\$XDG_DATA_HOME\$"
fi

section 'what is shown is a configuration that says the same'
sed 's/  # .*//; /^#/d' shown >values
cp shown "$VTPM_PKCS11_CONF"
"$VTPM_TOOL" config show | sed 's/  # .*//; /^#/d' | diff values -

section 'a user without any directory'
if [ "$(id -u)" -eq 0 ]; then
  # The passwd file has no entry for such a user.
  cp "$VTPM_TOOL" tool && chmod 755 "$scratch" tool
  nowhere() { setpriv --reuid=54321 --regid=54321 --clear-groups env -i ./tool "$@"; }
  printf '%s' "$SO_PIN" >readable && chmod 644 readable
  nowhere list >said
  has said '^Store directory: none; .*set store_dir'
  refused nowhere delete x
  has refused.out 'no token "x", because there is no store directory'
  refused nowhere init --label x --so-pin-file readable
  has refused.out 'there is no store directory: .*set store_dir'
fi
