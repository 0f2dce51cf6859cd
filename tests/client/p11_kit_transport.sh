#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The token through p11-kit's three ways: its server and client, its remote, and its proxy. The same commands through each.
. "$(dirname "$0")/client.sh"
. "$VTPM_SOURCE/scripts/registration.sh"
client 'p11-kit' p11-kit

make_token client
logged_in --keypairgen --key-type rsa:2048 --id 01 --label rsa
logged_in --keypairgen --key-type EC:prime256v1 --id 02 --label ec
logged_in --keypairgen --key-type EC:edwards25519 --id 03 --label edwards
for key in rsa ec edwards; do public_key "object=$key" $key.der; done
printf 'a message' >message
openssl dgst -sha256 -binary message >digest
libraries=$(pkg-config --variable=libdir p11-kit-1 2>/dev/null || dirname "$(find /usr/lib -name p11-kit-proxy.so | head -n 1)")
mkdir -m 700 run
export XDG_CONFIG_HOME=$scratch/config XDG_RUNTIME_DIR=$scratch/run
server_pid=''
at_exit() {
  unregister_module
  [ -z "$server_pid" ] || kill "$server_pid" 2>/dev/null || true
}

# MODULE [--registered]: pkcs11-tool and GnuTLS use the token through it, and the points of the curves have the same
# form as without it.
works_through() {
  local provider=(--provider "$1") # GnuTLS uses what is registered by itself
  [ $# -eq 1 ] || provider=()
  pkcs11-tool --module "$1" --list-token-slots >slots
  has slots 'token label +: client'
  through() { pkcs11-tool --module "$1" --token-label client --login --pin env:PIN "${@:2}"; }
  through "$1" --sign -m SHA256-RSA-PKCS --id 01 -i message -o signature
  openssl dgst -sha256 -verify <(openssl pkey -pubin -inform DER -in rsa.der) -signature signature message
  through "$1" --sign -m ECDSA --id 02 -i digest --signature-format openssl -o signature
  openssl pkeyutl -verify -pubin -inkey ec.der -keyform DER -in digest -sigfile signature
  openssl pkeyutl -encrypt -pubin -inkey rsa.der -keyform DER -in message -out sealed
  through "$1" --decrypt -m RSA-PKCS --id 01 -i sealed -o opened
  cmp message opened
  through "$1" --keypairgen --key-type EC:prime256v1 --id 0a --label made
  through "$1" --delete-object --type privkey --id 0a
  through "$1" --delete-object --type pubkey --id 0a
  for key in rsa ec edwards; do
    p11tool "${provider[@]}" --export "pkcs11:token=client;type=public;object=$key" --outder --outfile exported.der </dev/null
    cmp $key.der exported.der
  done
  PIN=000000 refused through "$1" --list-objects
  has refused.out CKR_PIN_INCORRECT
}

section 'p11-kit server, and p11-kit-client.so'
p11-kit server --provider "$VTPM_MODULE" 'pkcs11:token=client' >server.out
eval "$(sed 's/^P11/export &/' server.out)"
server_pid=$P11_KIT_SERVER_PID
works_through "$libraries/pkcs11/p11-kit-client.so"
kill "$server_pid"
server_pid=''
unset P11_KIT_SERVER_ADDRESS P11_KIT_SERVER_PID

section 'p11-kit remote'
cat >remote <<SH
#!/bin/sh
exec p11-kit remote $VTPM_MODULE
SH
chmod 755 remote
register_module "$VTPM_MODULE" vtpm-pkcs11-test
printf 'remote: |%s/remote\n' "$scratch" >"$registration"
works_through "$libraries/p11-kit-proxy.so" --registered
unregister_module

section 'p11-kit-proxy.so'
register_module "$VTPM_MODULE" vtpm-pkcs11-test
works_through "$libraries/p11-kit-proxy.so" --registered
# The protocol of server and remote knows no EdDSA; the proxy calls the module itself.
pkcs11-tool --module "$libraries/p11-kit-proxy.so" --token-label client --login --pin env:PIN --sign -m EDDSA --id 03 \
  -i message -o signature
openssl pkeyutl -verify -pubin -inkey edwards.der -keyform DER -rawin -in message -sigfile signature
