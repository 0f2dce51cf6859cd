#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Node.js: graphene-pk11, and node-webcrypto-p11 on top of it. npm fetches and builds them, so the test needs the
# network, npm, and Node's headers; CMake adds it if npm is installed. VTPM_NODE_MODULES names a directory that contains
# them already.
. "$(dirname "$0")/client.sh"
client 'graphene-pk11 2.3.6 and node-webcrypto-p11 2.8.0 on Node.js' nodejs

make_token client
printf 'a message' >message
if [ -z "${VTPM_NODE_MODULES:-}" ]; then
  mkdir npm
  into npm.log npm install --prefix npm --cache "$scratch/npm-cache" --no-audit --no-fund --nodedir=/usr --loglevel=error \
    graphene-pk11@2.3.6 node-webcrypto-p11@2.8.0
  VTPM_NODE_MODULES=$scratch/npm/node_modules
fi
export NODE_PATH=$VTPM_NODE_MODULES
cat >graphene.js <<'JS'
const fs = require('fs');
const graphene = require('graphene-pk11');
const library = graphene.Module.load(process.env.VTPM_MODULE, 'token');
library.initialize();
const slots = library.getSlots(true);
let slot;
for (let i = 0; i < slots.length; ++i)
  if (slots.items(i).getToken().label.trim() == 'client') slot = slots.items(i);
const session = slot.open(graphene.SessionFlag.SERIAL_SESSION | graphene.SessionFlag.RW_SESSION);
session.login(process.env.PIN);
const message = fs.readFileSync('message');
const same = (a, b) => { if (!Buffer.from(a).equals(Buffer.from(b))) throw new Error(`${a} is not ${b}`); };
const work = {
  mechanisms() {
    const list = slot.getMechanisms();
    for (let i = 0; i < list.length; ++i) console.log(list.items(i).name, list.items(i).flags);
  },
  rsa() {
    const keys = session.generateKeyPair(graphene.KeyGenMechanism.RSA,
      { keyType: graphene.KeyType.RSA, modulusBits: 2048, publicExponent: Buffer.from([1, 0, 1]), token: true, verify: true,
        encrypt: true, id: Buffer.from([1]), label: 'rsa' },
      { keyType: graphene.KeyType.RSA, token: true, private: true, sign: true, decrypt: true, id: Buffer.from([1]), label: 'rsa' });
    const signature = session.createSign('SHA256_RSA_PKCS', keys.privateKey).once(message);
    if (!session.createVerify('SHA256_RSA_PKCS', keys.publicKey).once(message, signature)) throw new Error('verify');
    fs.writeFileSync('signature', signature);
    const oaep = { name: 'RSA_PKCS_OAEP', params: new graphene.RsaOaepParams(graphene.MechanismEnum.SHA1, graphene.RsaMgf.MGF1_SHA1) };
    const sealed = session.createCipher(oaep, keys.publicKey).once(message, Buffer.alloc(256));
    same(session.createDecipher(oaep, keys.privateKey).once(sealed, Buffer.alloc(256)), message);
  },
  ec() {
    const keys = session.generateKeyPair(graphene.KeyGenMechanism.ECDSA,
      { keyType: graphene.KeyType.ECDSA, token: true, verify: true, id: Buffer.from([2]), label: 'ec',
        paramsECDSA: graphene.NamedCurve.getByName('secp256r1').value },
      { keyType: graphene.KeyType.ECDSA, token: true, private: true, sign: true, derive: true, id: Buffer.from([2]), label: 'ec' });
    const hash = session.createDigest('sha256').once(message);
    fs.writeFileSync('digest', hash);
    fs.writeFileSync('signature', session.createSign('ECDSA', keys.privateKey).once(hash));
  },
  aes() {
    const key = session.generateKey(graphene.KeyGenMechanism.AES, { class: graphene.ObjectClass.SECRET_KEY,
      keyType: graphene.KeyType.AES, valueLen: 32, token: false, sensitive: false, extractable: true, encrypt: true, decrypt: true });
    const cbc = { name: 'AES_CBC_PAD', params: Buffer.alloc(16) };
    const sealed = session.createCipher(cbc, key).once(message, Buffer.alloc(64));
    same(session.createDecipher(cbc, key).once(sealed, Buffer.alloc(64)), message);
    fs.writeFileSync('sealed', sealed);
    fs.writeFileSync('aes', key.getAttribute({ value: null }).value);
  },
  objects() {
    session.create({ class: graphene.ObjectClass.DATA, token: true, label: 'note', application: 'notes', value: message });
    const found = session.find({ label: 'note' }).items(0);
    same(found.getAttribute({ value: null }).value, message);
    found.setAttribute({ label: 'renamed' });
    session.find({ label: 'renamed' }).items(0).destroy();
    if (session.find({ label: 'renamed' }).length) throw new Error('still there');
  },
};
work[process.argv[2]]();
session.logout();
session.close();
library.finalize();
JS
cat >webcrypto.js <<'JS'
const fs = require('fs');
const { Crypto } = require('node-webcrypto-p11');
const { createPublicKey, verify } = require('crypto');
const graphene = require('graphene-pk11');
const library = graphene.Module.load(process.env.VTPM_MODULE, 'token');
library.initialize();
const slots = library.getSlots(true);
let slot = 0;
for (let i = 0; i < slots.length; ++i) if (slots.items(i).getToken().label.trim() == 'client') slot = i;
library.finalize();
const crypto = new Crypto({ library: process.env.VTPM_MODULE, name: 'token', slot, readWrite: true, pin: process.env.PIN });
const message = fs.readFileSync('message');
(async () => {
  for (const algorithm of [{ name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) },
    { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }]) {
    const keys = await crypto.subtle.generateKey(algorithm, false, ['sign', 'verify']);
    const signature = await crypto.subtle.sign(algorithm, keys.privateKey, message);
    const key = createPublicKey({ key: Buffer.from(await crypto.subtle.exportKey('spki', keys.publicKey)), format: 'der', type: 'spki' });
    if (!verify('sha256', message, { key, dsaEncoding: 'ieee-p1363' }, Buffer.from(signature))) throw new Error(algorithm.name);
    await crypto.keyStorage.setItem(keys.privateKey);
    await crypto.keyStorage.setItem(keys.publicKey);
  }
  if ((await crypto.keyStorage.keys()).length < 4) throw new Error('keys');
  await crypto.keyStorage.clear();
  console.log('keys after clear:', (await crypto.keyStorage.keys()).length);
  crypto.close();
})().catch((error) => { console.error(error); process.exit(1); });
JS

section 'graphene: slots and mechanisms'
into mechanisms node graphene.js mechanisms
has mechanisms 'RSA_PKCS'

section 'graphene: an RSA key pair signs and decrypts'
into out node graphene.js rsa
public_key id=%01 rsa.der
openssl dgst -sha256 -verify <(openssl pkey -pubin -inform DER -in rsa.der) -signature signature message

section 'graphene: a P-256 key pair signs'
into out node graphene.js ec
public_key id=%02 ec.der
openssl dgst -sha256 -binary message | cmp - digest
in_token --verify -m ECDSA --id 02 -i digest --signature-file signature >verified
has verified 'Signature is valid'

section 'graphene: AES'
into out node graphene.js aes
openssl enc -d -aes-256-cbc -K "$(od -An -tx1 -v aes | tr -d ' \n')" -iv 00000000000000000000000000000000 -in sealed | cmp - message

section 'graphene: an object is written, found, renamed and deleted'
into out node graphene.js objects

section 'webcrypto: keys sign, are stored, and clear() deletes the keys of the user only'
into out node webcrypto.js
has out 'keys after clear: 0'
if ours; then # the TPM has its certificates still
  in_token --read-object --type cert --label "TPM certificate 0x01c00002" -o ek.der
  openssl x509 -inform DER -in ek.der -noout
fi
