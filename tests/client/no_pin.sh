#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Clients that never log in: a token without a PIN, and one whose PIN the module fetches by itself. Other clients ask
# the token whether it has a protected authentication path.
. "$(dirname "$0")/client.sh"
: "${VTPM_TOOL:?}"

printf '%s\n' "$SO_PIN" >so.pin
printf '%s\n' "$PIN" >user.pin
if "$VTPM_TOOL" init --label refused --so-pin-file so.pin --no-pin 2>error; then exit 1; fi
grep -q 'pin.empty = true' error
cat >>"$VTPM_PKCS11_CONF" <<'TOML'
[pin]
empty = true
TOML
"$VTPM_TOOL" init --label open --so-pin-file so.pin --no-pin | grep -q 'It needs no PIN'
export token=open
in_token --list-slots | grep -A8 'open' | grep -q 'token flags' # the lines below are about the right one
if in_token --list-slots | grep -A8 ': open' | grep -q 'login required'; then exit 1; fi
in_token --keypairgen --key-type EC:prime256v1 --id 01 --label signing
printf 'to be signed' >data
in_token --sign --mechanism ECDSA-SHA256 --id 01 --input-file data --output-file signature --signature-format openssl
public_key id=%01 public.der
openssl dgst -sha256 -keyform DER -verify public.der -signature signature data
# The store gets a new master key; the empty secret need not be typed.
"$VTPM_TOOL" keyslot rekey --yes --as so --pin-file so.pin "$(store_of open)"
in_token --sign --mechanism ECDSA-SHA256 --id 01 --input-file data --output-file signature --signature-format openssl
openssl dgst -sha256 -keyform DER -verify public.der -signature signature data

"$VTPM_TOOL" init --label path --so-pin-file so.pin --pin-file user.pin
cat >>"$VTPM_PKCS11_CONF" <<TOML
[[token]]
name = "path"
user_pin = "$scratch/user.pin"
TOML
export token=path
in_token --list-slots | grep -A8 ': path' | grep -q 'PIN pad present'
in_token --login --keypairgen --key-type EC:prime256v1 --id 01 --label signing </dev/null
