#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# PyKCS11: a Python program makes keys, signs, encrypts, and reads and changes objects; OpenSSL checks what comes out.
. "$(dirname "$0")/client.sh"
client 'PyKCS11' python3-pykcs11
# PyKCS11 1.5 ends with a KeyError when a token has mechanisms that it does not know.
cat >>"$VTPM_PKCS11_CONF" <<'TOML'
[mechanisms]
hidden = ["CKM_AES_KEY_WRAP_PKCS7", "CKM_ECDH_COF_AES_KEY_WRAP", "CKM_ECDH_X_AES_KEY_WRAP", "CKM_PUB_KEY_FROM_PRIV_KEY",
  "CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE", "CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE_DH"]
TOML

make_token client
printf 'a message' >message
openssl req -new -x509 -newkey rsa:2048 -nodes -keyout own.pem -subj '/O=Example/CN=own' -days 30 -outform DER -out own.der
cat >common.py <<'PYTHON'
import os, sys
from PyKCS11 import *
from PyKCS11.LowLevel import *

library = PyKCS11Lib()
library.load(os.environ['VTPM_MODULE'])
slot = [s for s in library.getSlotList(tokenPresent=True) if library.getTokenInfo(s).label.strip() == 'client'][0]
session = library.openSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION)
session.login(os.environ['PIN'])
message = open('message', 'rb').read()

def write(name, data):
    open(name, 'wb').write(bytes(data))

def pair(kind, number, more, mechanism):
    public = [(CKA_CLASS, CKO_PUBLIC_KEY), (CKA_TOKEN, CK_TRUE), (CKA_VERIFY, CK_TRUE), (CKA_LABEL, kind), (CKA_ID, (number,))] + more
    private = [(CKA_CLASS, CKO_PRIVATE_KEY), (CKA_TOKEN, CK_TRUE), (CKA_PRIVATE, CK_TRUE), (CKA_SIGN, CK_TRUE), (CKA_LABEL, kind), (CKA_ID, (number,))]
    return session.generateKeyPair(public, private, mecha=mechanism)
PYTHON
python() { PYTHONPATH=$scratch /usr/bin/python3 -c "from common import *
$1"; }

section 'slots, tokens and mechanisms'
python 'print(library.getInfo()); print(library.getSlotInfo(slot)); print(library.getTokenInfo(slot))
names = library.getMechanismList(slot)
for name in names: library.getMechanismInfo(slot, name)
assert "CKM_RSA_PKCS" in names and "CKM_EC_KEY_PAIR_GEN" in names' >out
has out 'label: client'

section 'an RSA key pair: signatures, PSS and decryption'
python 'public, private = pair("rsa", 1, [(CKA_MODULUS_BITS, 2048), (CKA_PUBLIC_EXPONENT, (1, 0, 1)), (CKA_ENCRYPT, CK_TRUE)], MechanismRSAGENERATEKEYPAIR)
write("sig", session.sign(private, message, Mechanism(CKM_SHA256_RSA_PKCS)))
write("pss", session.sign(private, message, RSA_PSS_Mechanism(CKM_SHA256_RSA_PKCS_PSS, CKM_SHA256, CKG_MGF1_SHA256, 32)))
assert session.verify(public, message, open("sig", "rb").read(), Mechanism(CKM_SHA256_RSA_PKCS))
sealed = session.encrypt(public, message, RSAOAEPMechanism(CKM_SHA_1, CKG_MGF1_SHA1))
assert bytes(session.decrypt(private, sealed, RSAOAEPMechanism(CKM_SHA_1, CKG_MGF1_SHA1))) == message'
public_key id=%01 rsa.der
openssl pkey -pubin -inform DER -in rsa.der -out rsa.pem
openssl dgst -sha256 -verify rsa.pem -signature sig message
openssl dgst -sha256 -verify rsa.pem -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32 -signature pss message

section 'a P-256 key pair'
python 'public, private = pair("ec", 2, [(CKA_EC_PARAMS, (0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07))], Mechanism(CKM_EC_KEY_PAIR_GEN))
digest = session.digest(message, Mechanism(CKM_SHA256))
write("digest", digest)
write("sig", session.sign(private, digest, Mechanism(CKM_ECDSA)))
assert session.verify(public, digest, open("sig", "rb").read(), Mechanism(CKM_ECDSA))'
openssl dgst -sha256 -binary message | cmp - digest
[ "$(stat -c %s sig)" = 64 ]

section 'AES-CBC and AES-GCM'
python 'key = session.generateKey([(CKA_CLASS, CKO_SECRET_KEY), (CKA_KEY_TYPE, CKK_AES), (CKA_VALUE_LEN, 32), (CKA_TOKEN, CK_FALSE),
  (CKA_SENSITIVE, CK_FALSE), (CKA_EXTRACTABLE, CK_TRUE), (CKA_ENCRYPT, CK_TRUE), (CKA_DECRYPT, CK_TRUE)], Mechanism(CKM_AES_KEY_GEN))
iv = bytes(16)
write("sealed", session.encrypt(key, message, Mechanism(CKM_AES_CBC_PAD, iv)))
write("aes", session.getAttributeValue(key, [CKA_VALUE])[0])
gcm = AES_GCM_Mechanism(bytes(12), b"header", 128)
assert bytes(session.decrypt(key, session.encrypt(key, message, gcm), gcm)) == message'
openssl enc -d -aes-256-cbc -K "$(od -An -tx1 -v aes | tr -d ' \n')" -iv 00000000000000000000000000000000 -in sealed | cmp - message

section 'objects: a certificate written, found, read, changed and deleted'
python 'value = open("own.der", "rb").read()
session.createObject([(CKA_CLASS, CKO_CERTIFICATE), (CKA_CERTIFICATE_TYPE, CKC_X_509), (CKA_TOKEN, CK_TRUE), (CKA_VALUE, value),
  (CKA_SUBJECT, b"0"), (CKA_LABEL, "own"), (CKA_ID, (9,))])
found, = session.findObjects([(CKA_CLASS, CKO_CERTIFICATE), (CKA_LABEL, "own")])
assert bytes(session.getAttributeValue(found, [CKA_VALUE])[0]) == value
session.setAttributeValue(found, [(CKA_LABEL, "renamed")])
found, = session.findObjects([(CKA_LABEL, "renamed")])
session.destroyObject(found)
assert not session.findObjects([(CKA_LABEL, "renamed")])'

section 'every object and every attribute of it is read'
python 'for o in session.findObjects(): print(o)' >objects
has objects 'CKA_CLASS: CKO_PRIVATE_KEY'
has objects "CKA_LABEL: .*rsa"
