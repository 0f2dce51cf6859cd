#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# GnuPG with the card daemon gnupg-pkcs11-scd: gpgsm learns the certificates of the token, signs and decrypts with its keys.
. "$(dirname "$0")/client.sh"
. "$VTPM_SOURCE/tests/client/certificates.sh"
client 'gnupg-pkcs11-scd' gnupg-pkcs11-scd

make_token client
make_ca
token_certificate rsa 01 rsa:2048
export GNUPGHOME=$scratch/gnupg
mkdir -m 700 gnupg
at_exit() { gpgconf --kill all >/dev/null 2>&1 || true; }
cat >pinentry <<'SH'
#!/bin/sh
echo 'OK'
while read -r command rest; do
  case $command in
    GETPIN) printf 'D %s\nOK\n' "$PIN" ;;
    BYE) echo OK; exit 0 ;;
    *) echo OK ;;
  esac
done
SH
chmod 755 pinentry
printf 'providers token\nprovider-token-library %s\n' "$VTPM_MODULE" >gnupg/gnupg-pkcs11-scd.conf
printf 'scdaemon-program %s\npinentry-program %s/pinentry\n' "$(type -P gnupg-pkcs11-scd)" "$scratch" >gnupg/gpg-agent.conf
printf 'disable-crl-checks\ndisable-dirmngr\n' >gnupg/gpgsm.conf
printf '%s S\n' "$(openssl x509 -in ca.pem -noout -fingerprint -sha1 | cut -d = -f 2)" >gnupg/trustlist.txt
printf 'a message' >message

section 'gpgsm --learn-card'
into learned gpgsm --batch --import ca.pem
into learned gpgsm --batch --learn-card
into listed gpgsm --batch --list-secret-keys
has listed 'CN=rsa'

section 'gpgsm --sign, and OpenSSL verifies'
# gnupg-pkcs11-scd 0.10 puts a zero byte before a signature whose first bit is set, a third of them with this or any other
# module; OpenSSL refuses that length.
signed_right() {
  date +%N >message
  rm -f signature
  into signed gpgsm --batch --detach-sign --local-user /CN=rsa --output signature message
  openssl cms -verify -binary -inform DER -in signature -content message -CAfile ca.pem -purpose any -out /dev/null
}
eventually signed_right

section 'gpgsm --decrypt of what OpenSSL has encrypted'
openssl cms -encrypt -aes256 -binary -outform DER -in message -out sealed rsa.pem
into opened.log gpgsm --batch --output opened --decrypt sealed
cmp message opened
