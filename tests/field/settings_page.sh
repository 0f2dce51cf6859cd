#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# vtpm-pkcs11.toml(5) and the sample configuration, compared with the program: the settings, their defaults, their words and
# ranges, and the examples.
. "$(dirname "$0")/../client/client.sh"
: "${VTPM_TOOL:?}"
page=$VTPM_SOURCE/docs/man/vtpm-pkcs11.toml.5 sample=$VTPM_SOURCE/conf/vtpm-pkcs11.toml
settings() { # FILE: "name value" of each setting that the module would have with it
  VTPM_PKCS11_CONF=$1 "$VTPM_TOOL" config show --json | jq -r '.settings[] | "\(.name) \(.value)"'
}
try() { # TEXT: status of a check
  printf '%s\n' "$1" >try.toml
  local status=0
  VTPM_PKCS11_CONF=$scratch/try.toml "$VTPM_TOOL" config check >/dev/null 2>&1 || status=$?
  echo "$status"
}
assignment() { # NAME VALUE
  case $1 in
    token.*) printf '[[token]]\n%s = %s' "${1#token.}" "$2" ;;
    *) printf '%s = %s' "$1" "$2" ;;
  esac
}
: >empty.toml
settings "$scratch/empty.toml" >defaults

section 'the page has the settings of the program, and no others'
sed -n 's/^\.It Cm //p' "$page" | sort >on_page
{
  cut -d ' ' -f 1 defaults
  printf 'token.%s\n' name user_pin so_pin new_user_pin new_so_pin automatic_login
} | sort | diff - on_page
# Settings of a single token usually have no default; the program accepts all of them.
cat >all.toml <<'TOML'
[[token]]
name = "x"
user_pin = "a"
so_pin = "b"
new_user_pin = "c"
new_so_pin = "d"
automatic_login = true
TOML
settings "$scratch/all.toml" | sed -n 's/^token\[0\]/token/p' | cut -d ' ' -f 1 | sort | diff - <(grep '^token' on_page)

section 'its defaults are the ones of the program'
# "name value", of the first default that is a word or a number
awk '/^\.It Cm / { name = $3 }
     /^Default:$/ { wanted = 1; next }
     wanted && /^\.Dq / { print name, $2 }
     /^Default: [a-z0-9]+\.$/ { sub(/\.$/, ""); print name, $2 }
     { wanted = 0 }' "$page" | sort -u >page_defaults
[ "$(wc -l <page_defaults)" -ge 16 ]
while read -r name value; do
  case $name in
    identity.authority | token.automatic_login | mechanisms.hidden) continue ;; # none; below
  esac
  has defaults "^$name $value\$"
done <page_defaults
has defaults '^log $'
has defaults '^identity.authority $'
has defaults '^mechanisms.hidden \[\]$'
has page_defaults '^token.automatic_login false$'
printf '[[token]]\n' >one.toml
settings "$scratch/one.toml" >one
has one '^token\[0\].automatic_login false$'
has one '^token\[0\].name $'

section 'its ranges are the ones of the program'
sed -n 's/^\.It Cm /@/p; s/^.*[^0-9]\([0-9]\{1,\}\) to \([0-9]\{1,\}\)[^0-9]*$/\1 \2/p; s/^.*at least \([0-9]\{1,\}\)[^0-9]*.*$/\1 -/p' \
  "$page" | awk '/^@/ { name = substr($0, 2); next } { print name, $0 }' >ranges
cat ranges
[ "$(wc -l <ranges)" -ge 6 ]
while read -r name low high; do
  [ "$(try "$(assignment "$name" "$low")")" -eq 0 ]
  [ "$(try "$(assignment "$name" $((low - 1)))")" -eq 2 ]
  [ "$high" = - ] && continue
  [ "$(try "$(assignment "$name" "$high")")" -eq 0 ]
  [ "$(try "$(assignment "$name" $((high + 1)))")" -eq 2 ]
done <ranges

section 'its words are the ones of the program'
awk '/^\.It Cm / { name = $3 } /^\.It Dq / { print name, $3 } /^\.Dq [a-z0-9_-]+ *[:,.]?$/ { print name, $2 }' "$page" |
  grep -E '^(log|log_level|placement|public_writes|tpm_objects|identity.reinitialise|kdf.algorithm) ' | sort -u >words
[ "$(wc -l <words)" -ge 14 ]
while read -r name word; do
  [ "$word" != user ] || continue # the facility of syslog
  [ "$(try "$(assignment "$name" "\"$word\"")")" -eq 0 ] || {
    echo "$name = \"$word\" is on the page"
    false
  }
done <words
for name in log_level placement public_writes tpm_objects identity.reinitialise kdf.algorithm; do
  assignment "$name" '"other"' >try.toml
  VTPM_PKCS11_CONF=$scratch/try.toml refused "$VTPM_TOOL" config check
  sed 's/.* must be //' refused.out | grep -o '"[a-z0-9-]*"' | tr -d '"' | sort |
    diff - <(sed -n "s/^$name //p" words)
done

section 'its example, and the sample configuration, are in order'
awk '/^\.Bd -literal/ { on = 1; next } /^\.Ed/ { on = 0 } on' "$page" >example.toml
[ -s example.toml ]
[ "$(try "$(cat example.toml)")" -eq 0 ]
[ "$(try "$(cat "$sample")")" -eq 0 ]

section 'the sample configuration has every setting, with its default'
sed 's/^#\([a-z_]* = \)/\1/' "$sample" >sample.toml
settings "$scratch/sample.toml" >of_sample
grep -v -E '^(store_dir|token\[0\])' of_sample | diff <(grep -v '^store_dir' defaults) -
grep '^token' of_sample | cut -d ' ' -f 1 | sed 's/\[0\]//' | sort | diff - <(grep '^token' on_page)
has of_sample '^store_dir /var/lib/vtpm-pkcs11$'
