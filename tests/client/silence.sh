#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Unconfigured, the module is silent and creates nothing: p11-kit loads it into every program of the machine.
. "$(dirname "$0")/client.sh"

# The default directory of root may be in use on this host. Another user takes the same code path.
as_user=()
if [ "$(id -u)" -eq 0 ]; then
  as_user=(setpriv --reuid=65534 --regid=65534 --clear-groups)
  # The module is copied, because another user may not be able to read the build tree.
  cp "$VTPM_MODULE" "$scratch/module.so"
  VTPM_MODULE=$scratch/module.so
  chmod 755 "$scratch"
fi
mkdir -m 777 home
chmod 777 home
unconfigured() {
  "${as_user[@]}" env -i PATH="$PATH" XDG_CONFIG_HOME="$scratch/home/config" XDG_DATA_HOME="$scratch/home/data" \
    pkcs11-tool --module "$VTPM_MODULE" "$@"
}
unconfigured --list-slots >slots.out 2>slots.err
unconfigured --list-token-slots >>slots.out 2>>slots.err
cat slots.out slots.err
has slots.out uninitialized
has_not slots.err 'vtpm|warning|store|config'
[ -z "$(find home -mindepth 1)" ]
[ ! -e module.log ]

section 'a broken configuration is a slot without a token, which harms no other module'
printf 'store_dir = "%s"\nlog = "%s"\nno_such_key = 1\n' "$scratch/tokens" "$scratch/module.log" >"$VTPM_PKCS11_CONF"
p11 --list-slots >slots.out 2>slots.err
has slots.out 'broken configuration, see vtpm-token config check'
has slots.out '\(empty\)'
has_not slots.err 'vtpm|config'
[ ! -e module.log ]

section 'the sample configuration holds nothing that the module does not know'
sed -e 's/^#\([a-z_]* = \)/\1/' -e "s|^store_dir = .*|store_dir = \"$scratch/tokens\"|" -e "s|^log = .*|log = \"$scratch/sample.log\"|" \
  "$VTPM_SOURCE/conf/vtpm-pkcs11.toml" >"$VTPM_PKCS11_CONF"
has "$VTPM_PKCS11_CONF" '^memory_kib = 65536'
p11 --list-slots >slots.out
has slots.out uninitialized
[ ! -s sample.log ]
