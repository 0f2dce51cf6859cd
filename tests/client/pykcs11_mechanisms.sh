#!/bin/bash
# PyKCS11: the mechanisms of a token, and a signature. PyKCS11 1.5 looks up the name of every mechanism in a table of its own,
# and fails at a number that is not in it; `mechanisms.hidden` leaves those out (docs/pkcs11.md, "Mechanisms").
. "$(dirname "$0")/client.sh"
client 'PyKCS11' python3-pykcs11

make_token client
logged_in --keypairgen --key-type rsa:2048 --id 01 --label rsa
cat >list.py <<'PYTHON'
import os, PyKCS11
library = PyKCS11.PyKCS11Lib()
library.load(os.environ["VTPM_MODULE"])
slot = library.getSlotList(tokenPresent=True)[0]
for mechanism in library.getMechanismList(slot):
    library.getMechanismInfo(slot, mechanism)
    print(mechanism)
PYTHON
cat >sign.py <<'PYTHON'
import os, PyKCS11
library = PyKCS11.PyKCS11Lib()
library.load(os.environ["VTPM_MODULE"])
session = library.openSession(library.getSlotList(tokenPresent=True)[0])
session.login(os.environ["PIN"])
key, = session.findObjects([(PyKCS11.CKA_CLASS, PyKCS11.CKO_PRIVATE_KEY)])
public, = session.findObjects([(PyKCS11.CKA_CLASS, PyKCS11.CKO_PUBLIC_KEY)])  # of all that the token lists
signature = session.sign(key, b"a message", PyKCS11.Mechanism(PyKCS11.CKM_SHA256_RSA_PKCS))
open("signature", "wb").write(bytes(signature))
PYTHON
python() { VTPM_MODULE=$VTPM_MODULE /usr/bin/python3 "$@"; }

section 'the list of mechanisms'
if ours; then
  names='"CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE", "CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE_DH", "CKM_AES_KEY_WRAP_PKCS7",
  "CKM_ECDH_X_AES_KEY_WRAP", "CKM_ECDH_COF_AES_KEY_WRAP", "CKM_PUB_KEY_FROM_PRIV_KEY"'
  for name in $names; do has "$VTPM_SOURCE/docs/pkcs11.md" "^hidden = .*${name//[\",]/}|^  .*${name//[\",]/}"; done
  printf '[mechanisms]\nhidden = [%s]\n' "$names" >>"$VTPM_PKCS11_CONF"
fi
python list.py >mechanisms
has mechanisms '^CKM_SHA256_RSA_PKCS$'

section 'a signature with the only private key'
python sign.py
printf 'a message' >message
public_key object=rsa rsa.der
openssl dgst -sha256 -verify rsa.der -keyform DER -signature signature message
