#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The token through p11-kit: p11-kit itself, and GnuTLS' p11tool and certtool, which know only PKCS#11 URIs.
. "$(dirname "$0")/client.sh"
client 'GnuTLS p11tool and certtool' gnutls-bin
. "$VTPM_SOURCE/scripts/registration.sh"
at_exit() { unregister_module; }

make_token client
logged_in --keypairgen --key-type rsa:2048 --id 01 --label rsa
logged_in --keypairgen --key-type EC:prime256v1 --id 02 --label ec
export XDG_CONFIG_HOME=$scratch/config
register_module "$VTPM_MODULE" vtpm-pkcs11-test

section 'p11-kit list-modules'
p11-kit list-modules >modules
has modules '^(module: )?vtpm-pkcs11-test'
has modules 'token: client'

section 'p11tool --list-tokens'
p11tool --list-tokens >tokens.out
has tokens.out 'URL: pkcs11:.*token=client'
url=$(sed -n 's/.*URL: \(pkcs11:.*token=client\).*/\1/p' tokens.out)

section 'p11tool --list-all'
p11tool --list-all "$url" >public.out
has public.out 'Public key .*RSA-2048'
has_not public.out 'Private key'
p11tool --list-all --login "$url" >all.out
has all.out 'Private key .*RSA-2048'
has all.out 'Private key .*SECP256R1'
has all.out 'CKA_NEVER_EXTRACTABLE.*CKA_SENSITIVE'

section 'Ed25519: the key exported, and a request that certtool makes with it'
logged_in --keypairgen --key-type EC:edwards25519 --id 03 --label edwards --allow-sw
printf 'cn = "edwards"\n' >template
for provider in '' "--provider=$VTPM_MODULE"; do
  # shellcheck disable=SC2086 # no provider is no argument
  p11tool $provider --export "$url;object=edwards;type=public" --outfile edwards.pub </dev/null
  openssl pkey -pubin -in edwards.pub -noout -text >text
  has text 'ED25519'
  # shellcheck disable=SC2086
  certtool $provider --generate-request --load-privkey "$url;object=edwards;type=private" \
    --load-pubkey "$url;object=edwards;type=public" --template template --outfile request.pem
  openssl req -in request.pem -noout -verify
  cmp <(openssl req -in request.pem -noout -pubkey) <(openssl pkey -pubin -in edwards.pub)
done

section 'Ed25519 through the proxy'
proxy=$(find /usr/lib/*/p11-kit-proxy.so | head -n 1)
pkcs11-tool --module "$proxy" --token-label client --list-objects --type pubkey >listed
point=$(openssl pkey -pubin -in edwards.pub -outform DER | tail -c 32 | od -An -tx1 -v | tr -d ' \n')
has listed "EC_POINT:.*$point"
printf 'a message' >message
pkcs11-tool --module "$proxy" --token-label client --login --pin env:PIN --sign -m EDDSA --id 03 -i message -o signature
openssl pkeyutl -verify -pubin -inkey edwards.pub -rawin -in message -sigfile signature

section 'signatures'
for key in rsa ec; do
  p11tool --login --test-sign "$url;object=$key;type=private" 2>&1 | tee sign.out
  has sign.out 'ok$'
done

section 'a certificate by certtool, written and exported by p11tool'
printf 'cn = "a certificate"\nserial = 7\nexpiration_days = 30\nsigning_key\n' >template
certtool --generate-self-signed --load-privkey "$url;object=rsa;type=private" \
  --load-pubkey "$url;object=rsa;type=public" --template template --outfile cert.pem
openssl verify -CAfile cert.pem cert.pem
p11tool --login --write --load-certificate cert.pem --id 01 --label rsa "$url"
p11tool --export "$url;object=rsa;type=cert" --outfile cert.out
openssl x509 -in cert.pem -outform DER -out cert.der
openssl x509 -in cert.out -outform DER | cmp - cert.der

section 'a chain: p11tool --login --export-chain finds the issuers that the token trusts, after it has logged out'
printf '[req]\ndistinguished_name = dn\n[dn]\n[ca]\nbasicConstraints = critical,CA:true\nsubjectKeyIdentifier = hash\n' >ca.cnf
openssl req -x509 -newkey rsa:2048 -nodes -keyout root.key -subj '/CN=a root' -days 30 -config ca.cnf -extensions ca -out root.pem 2>/dev/null
openssl req -new -newkey rsa:2048 -nodes -keyout middle.key -subj '/CN=a middle' -config ca.cnf -out middle.csr 2>/dev/null
openssl x509 -req -in middle.csr -CA root.pem -CAkey root.key -set_serial 2 -days 30 -extfile ca.cnf -extensions ca -out middle.pem 2>/dev/null
openssl req -new -newkey rsa:2048 -nodes -keyout leaf.key -subj '/CN=a leaf' -config ca.cnf -out leaf.csr 2>/dev/null
openssl x509 -req -in leaf.csr -CA middle.pem -CAkey middle.key -set_serial 3 -days 30 -out leaf.pem 2>/dev/null
p11tool --login --write --load-certificate leaf.pem --label leaf --no-mark-private "$url"
for name in middle root; do # authorities, which the SO vouches for
  GNUTLS_SO_PIN=$SO_PIN p11tool --so-login --write --load-certificate $name.pem --label $name --mark-trusted --no-mark-private "$url"
done
p11tool --login --export-chain "$url;object=leaf;type=cert" --outfile chain.pem
[ "$(grep -c BEGIN chain.pem)" -eq 3 ]
awk '/BEGIN/ { n++ } n > 1' chain.pem >issuers.pem
openssl verify -CAfile root.pem -untrusted issuers.pem leaf.pem

section 'p11tool --generate-privkey=eddsa: GnuTLS 3.7 asks for it by CKM_EDDSA, 3.8 by CKM_EC_EDWARDS_KEY_PAIR_GEN'
p11tool --login --generate-privkey=eddsa --curve=Ed25519 --label=made --id=0a --outfile=made.pem "$url"
printf 'a message' >message
logged_in --sign --id 0a -m EDDSA -i message -o signature --allow-sw
openssl pkeyutl -verify -pubin -inkey made.pem -rawin -in message -sigfile signature
