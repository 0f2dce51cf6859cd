#!/bin/bash
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
