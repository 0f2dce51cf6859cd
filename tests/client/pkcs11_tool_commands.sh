#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every command of OpenSC's pkcs11-tool 0.23, each result checked by openssl or by another command. Features that
# keys.sh, objects.sh and key_types.sh test in detail have one example here.
. "$(dirname "$0")/client.sh"
client 'OpenSC pkcs11-tool' opensc

section '--init-token and --init-pin'
make_token client
printf 'a message' >message
hex() { od -An -tx1 -v "$1" | tr -d ' \n'; }
openssl req -new -x509 -newkey rsa:2048 -nodes -keyout own.pem -subj /CN=own -days 30 -outform DER -out own.crt
openssl pkey -in own.pem -outform DER -traditional -out own.key
openssl pkey -in own.pem -pubout -outform DER -out own.pub
openssl ecparam -name secp384r1 -genkey -noout -outform DER -out own.ec

section '--show-info, --list-slots, --list-token-slots, --list-mechanisms, --list-interfaces'
p11 --show-info >info
has info '^Cryptoki version'
p11 --list-slots >slots
has slots 'token label +: client'
p11 --list-token-slots >slots
has slots 'token label +: client'
in_token --list-mechanisms >mechanisms
has mechanisms 'SHA256-RSA-PKCS, keySize=\{[0-9]+,[0-9]+\}, .*sign, verify'
has mechanisms 'ECDSA-KEY-PAIR-GEN.*generate_key_pair'

section '--list-interfaces: the interface of PKCS#11 3.0'
p11 --list-interfaces >interfaces
has interfaces "Interface 'PKCS 11'"
has interfaces 'version: 3'

section '--hash and --generate-random, before a login'
in_token --hash -m SHA256 -i message -o digest
openssl dgst -sha256 -binary message | cmp - digest
in_token --generate-random 64 -o random
[ "$(stat -c %s random)" = 64 ]

section '--keypairgen, --sign and --verify: RSA'
logged_in --keypairgen --key-type rsa:2048 --id 01 --label rsa
in_token --read-object --type pubkey --id 01 -o rsa.der
openssl pkey -pubin -inform DER -in rsa.der -out rsa.pem
logged_in --sign -m SHA256-RSA-PKCS --id 01 -i message -o signature
openssl dgst -sha256 -verify rsa.pem -signature signature message
in_token --verify -m SHA256-RSA-PKCS --id 01 -i message --signature-file signature >verified
has verified 'Signature is valid'
logged_in --sign -m RSA-PKCS-PSS --hash-algorithm SHA256 --mgf MGF1-SHA256 --salt-len 32 --id 01 -i digest -o signature
openssl pkeyutl -verify -pubin -inkey rsa.pem -in digest -sigfile signature -pkeyopt digest:sha256 \
  -pkeyopt rsa_padding_mode:pss -pkeyopt rsa_pss_saltlen:32

section '--keypairgen with a size that is no multiple of eight'
logged_in --keypairgen --key-type rsa:2047 --id 09 --label odd
in_token --read-object --type pubkey --id 09 -o odd.der
openssl pkey -pubin -inform DER -in odd.der -noout -text >odd.text
has odd.text '2047 bit'
logged_in --sign -m SHA256-RSA-PKCS --id 09 -i message -o signature
openssl dgst -sha256 -verify <(openssl pkey -pubin -inform DER -in odd.der) -signature signature message

section '--decrypt: RSA-OAEP'
openssl pkeyutl -encrypt -pubin -inkey rsa.pem -pkeyopt rsa_padding_mode:oaep -in message -out sealed
logged_in --decrypt -m RSA-PKCS-OAEP --hash-algorithm SHA-1 --mgf MGF1-SHA1 --id 01 -i sealed -o opened
cmp message opened

section '--sign and --verify: ECDSA in its three formats'
logged_in --keypairgen --key-type EC:prime256v1 --id 02 --label ec --usage-sign --usage-derive
public_key id=%02 ec.der
openssl pkey -pubin -inform DER -in ec.der -out ec.pem
for format in openssl sequence; do
  logged_in --sign -m ECDSA --id 02 -i digest --signature-format $format -o signature
  openssl pkeyutl -verify -pubin -inkey ec.pem -in digest -sigfile signature
  in_token --verify -m ECDSA --id 02 -i digest --signature-format $format --signature-file signature >verified
  has verified 'Signature is valid'
done
logged_in --sign -m ECDSA --id 02 -i digest -o signature
[ "$(stat -c %s signature)" = 64 ]
in_token --verify -m ECDSA --id 02 -i digest --signature-file signature >verified
has verified 'Signature is valid'

section '--sign and --verify: ECDSA with a hash of the token'
logged_in --sign -m ECDSA-SHA256 --id 02 -i message -o signature
in_token --verify -m ECDSA-SHA256 --id 02 -i message --signature-file signature >verified
has verified 'Signature is valid'

section '--derive: ECDH'
openssl ecparam -name prime256v1 -genkey -noout -out peer.pem
openssl pkey -in peer.pem -pubout -outform DER -out peer.der
openssl pkeyutl -derive -inkey peer.pem -peerkey ec.der -peerform DER -out expected
logged_in --derive -m ECDH1-DERIVE --id 02 -i peer.der -o derived
cmp derived expected

section '--keypairgen, --sign: Ed25519'
logged_in --keypairgen --key-type EC:edwards25519 --id 03 --label edwards
public_key id=%03 edwards.der
logged_in --sign -m EDDSA --id 03 -i message -o signature
openssl pkeyutl -verify -pubin -inkey edwards.der -keyform DER -rawin -in message -sigfile signature

section '--keygen, --encrypt and --decrypt: AES-CBC with --iv'
head -c 32 /dev/urandom >aes
logged_in --write-object aes --type secrkey --key-type AES:32 --id 04 --label aes --usage-decrypt --usage-wrap --extractable
iv=000102030405060708090a0b0c0d0e0f
logged_in --encrypt -m AES-CBC-PAD --iv $iv --id 04 -i message -o sealed
openssl enc -d -aes-256-cbc -K "$(hex aes)" -iv $iv -in sealed -out opened
cmp message opened
logged_in --decrypt -m AES-CBC-PAD --iv $iv --id 04 -i sealed -o opened
cmp message opened
logged_in --keygen --key-type AES:16 --id 05 --label generated --extractable
logged_in --encrypt -m AES-CBC-PAD --iv $iv --id 05 -i message -o sealed
logged_in --decrypt -m AES-CBC-PAD --iv $iv --id 05 -i sealed -o opened
cmp message opened

section '--wrap and --unwrap: a key wrapped by RSA'
logged_in --keypairgen --key-type rsa:2048 --id 06 --label wrapper --usage-wrap --usage-decrypt
logged_in --wrap -m RSA-PKCS --id 06 --application-id 04 -o wrapped
logged_in --decrypt -m RSA-PKCS --id 06 -i wrapped -o value
cmp aes value
logged_in --unwrap -m RSA-PKCS --id 06 -i wrapped --key-type AES: --application-id 07 --application-label unwrapped \
  --usage-decrypt --extractable
logged_in --encrypt -m AES-CBC-PAD --iv $iv --id 07 -i message -o sealed
openssl enc -d -aes-256-cbc -K "$(hex aes)" -iv $iv -in sealed -out opened
cmp message opened

section '--wrap and --unwrap: a key wrapped by AES-CBC'
logged_in --keygen --key-type AES:16 --id 0a --label travels --extractable --usage-decrypt
logged_in --wrap -m AES-CBC-PAD --iv $iv --id 04 --application-id 0a -o wrapped
openssl enc -d -aes-256-cbc -K "$(hex aes)" -iv $iv -in wrapped -out value
[ "$(stat -c %s value)" = 16 ]
logged_in --unwrap -m AES-CBC-PAD --iv $iv --id 04 -i wrapped --key-type AES: --application-id 0b \
  --application-label unwrapped-by-aes --usage-decrypt --extractable
logged_in --encrypt -m AES-CBC-PAD --iv $iv --id 0b -i message -o sealed
openssl enc -d -aes-128-cbc -K "$(hex value)" -iv $iv -in sealed -out opened
cmp message opened

section '--write-object, --read-object, --delete-object: keys, a certificate and data that were made elsewhere'
logged_in --write-object own.key --type privkey --id 10 --label own --usage-sign
logged_in --write-object own.pub --type pubkey --id 10 --label own
logged_in --write-object own.crt --type cert --id 10 --label own
logged_in --sign -m SHA256-RSA-PKCS --id 10 -i message -o signature
openssl dgst -sha256 -verify <(openssl pkey -in own.pem -pubout) -signature signature message
in_token --read-object --type pubkey --id 10 -o read.pub
cmp own.pub read.pub
in_token --read-object --type cert --id 10 -o read.crt
cmp own.crt read.crt
logged_in --write-object own.ec --type privkey --id 11 --label own-ec --usage-sign
logged_in --sign -m ECDSA --id 11 -i digest --signature-format openssl -o signature
openssl pkeyutl -verify -pubin -inkey <(openssl pkey -inform DER -in own.ec -pubout) -in digest -sigfile signature
logged_in --write-object message --type data --private --label note --application-label notes
logged_in --read-object --type data --label note --application-label notes -o read
cmp message read
for type in privkey pubkey cert; do logged_in --delete-object --type $type --id 10; done
logged_in --delete-object --type data --label note --application-label notes
logged_in --list-objects >objects
has_not objects "'?own'?\$|note"

section '--write-object --attr-from: the identifier comes from a certificate'
logged_in --write-object own.key --type privkey --label attributed --attr-from own.crt --id 12 --usage-sign
logged_in --sign -m SHA256-RSA-PKCS --id 12 -i message -o signature
openssl dgst -sha256 -verify <(openssl pkey -in own.pem -pubout) -signature signature message

section '--set-id'
logged_in --set-id 0c --id 12 --type privkey
logged_in --sign -m SHA256-RSA-PKCS --id 0c -i message -o signature
refused logged_in --sign -m SHA256-RSA-PKCS --id 12 -i message -o signature

section '--allowed-mechanisms: one is allowed, another is refused'
logged_in --keypairgen --key-type rsa:2048 --id 0d --label choosy --allowed-mechanisms SHA256-RSA-PKCS,SHA384-RSA-PKCS
logged_in --sign -m SHA256-RSA-PKCS --id 0d -i message -o signature
openssl dgst -sha256 -verify <(in_token --read-object --type pubkey --id 0d | openssl pkey -pubin -inform DER) \
  -signature signature message
refused logged_in --sign -m SHA512-RSA-PKCS --id 0d -i message -o signature

section '--always-auth: the PIN for each signature'
logged_in --keypairgen --key-type rsa:2048 --id 0e --label asks --always-auth
logged_in --sign -m SHA256-RSA-PKCS --id 0e -i message -o signature
openssl dgst -sha256 -verify <(in_token --read-object --type pubkey --id 0e | openssl pkey -pubin -inform DER) \
  -signature signature message

section '--test --login'
logged_in --test >test.out 2>&1
has test.out '^No errors'

section '--test-ec'
logged_in --session-rw --test-ec --key-type EC:prime256v1 --id 20 --label tested >test.out 2>&1
has test.out '^==> OK'

section '--test-fork'
in_token --test-fork >test.out 2>&1
has test.out 'C_Initialize in forked child'
has_not test.out 'error|failed'

section '--test-threads, beside the generation of a key'
# Making the key takes longer than starting the threads; pkcs11-tool waits 30 seconds for threads that still run.
into test.out logged_in --use-locking --test-threads ILGISLT0 --test-threads ILGISLT0 --test-threads ILGISLT0 \
  --keypairgen --key-type rsa:3072 --id 22 --label beside-threads
[ "$(grep -c -E 'returning rv( = 0|:CKR_OK)' test.out)" = 3 ]

section '--test-hotplug'
in_token --test-hotplug <<<x >test.out 2>&1
has test.out 'Testing card detection using C_WaitForSlotEvent'

section '--moz-cert: a key pair and a request as Mozilla made them'
logged_in --session-rw --moz-cert own.crt --key-type RSA:2048 --id 21 --label moz >test.out 2>&1
has test.out '^==> OK, successful'

section '--change-pin and --unlock-pin'
logged_in --change-pin --new-pin 161803
refused logged_in --list-objects
PIN=161803 logged_in --list-objects >objects
has objects 'Private Key Object'
in_token --login --login-type so --so-pin env:SO_PIN --init-pin --new-pin env:PIN
logged_in --list-objects >objects
has objects 'Private Key Object'
