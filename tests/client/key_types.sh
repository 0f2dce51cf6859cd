#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Key agreement, wrapping and Edwards curves through pkcs11-tool, with plain openssl on the other side.
. "$(dirname "$0")/client.sh"

make_token client

section 'ECDH with a key in the TPM'
logged_in --keypairgen --key-type EC:prime256v1 --id 01 --label agree --usage-derive
openssl ecparam -name prime256v1 -genkey -noout -out peer.pem
openssl pkey -in peer.pem -pubout -outform DER -out peer.der
logged_in --derive -m ECDH1-DERIVE --id 01 -i peer.der -o derived --allow-sw
public_key id=%01 agree.der
openssl pkeyutl -derive -inkey peer.pem -peerkey agree.der -peerform DER -out expected
cmp derived expected

section 'Brainpool curves (RFC 5639): signatures, agreement, and a key of OpenSSL'
printf 'message' >message
for curve in brainpoolP256r1 brainpoolP384r1 brainpoolP512r1; do
  bits=${curve#brainpoolP}
  bits=${bits%r1}
  logged_in --keypairgen --key-type EC:$curve --id "5$bits" --label $curve --usage-derive --allow-sw
  openssl dgst -"sha$bits" -binary message >digest
  logged_in --sign -m ECDSA --id "5$bits" -i digest -o signature --signature-format openssl --allow-sw
  openssl ecparam -name $curve -genkey -noout -out peer.pem
  openssl pkey -in peer.pem -pubout -outform DER -out peer.der
  # The point of the token's key is appended to the bytes that precede the point in another key of the curve.
  size=$((2 * bits / 8 + 1))
  point=$(in_token --list-objects --type pubkey |
    awk -v label=$curve '/EC_POINT:/ { point = $2 } $1 == "label:" && $2 == label { print point }')
  { head -c -$size peer.der && printf '%s' "${point: -$((2 * size))}" | tr a-f A-F | basenc --base16 -d; } >own.der
  openssl pkeyutl -verify -pubin -inkey own.der -keyform DER -in digest -sigfile signature
  logged_in --derive -m ECDH1-DERIVE --id "5$bits" -i peer.der -o derived --allow-sw
  openssl pkeyutl -derive -inkey peer.pem -peerkey own.der -peerform DER -out expected
  cmp derived expected
  openssl pkey -in peer.pem -outform DER -out peer.key
  logged_in --write-object peer.key --type privkey --id "6$bits" --usage-sign
  logged_in --sign -m ECDSA --id "6$bits" -i digest -o signature --signature-format openssl --allow-sw
  openssl pkeyutl -verify -pubin -inkey peer.der -keyform DER -in digest -sigfile signature
done

section 'Ed25519'
logged_in --keypairgen --key-type EC:edwards25519 --id 02 --label edwards --allow-sw
printf 'message' >message
logged_in --sign -m EDDSA --id 02 -i message -o signature --allow-sw
public_key id=%02 edwards.der
openssl pkeyutl -verify -pubin -inkey edwards.der -keyform DER -rawin -in message -sigfile signature

section 'RSA with a size that is no multiple of eight'
for bits in 2049 3092; do
  logged_in --keypairgen --key-type rsa:$bits --id $bits --label odd --allow-sw
  in_token --read-object --type pubkey --id $bits -o odd.der
  openssl pkey -pubin -inform DER -in odd.der -noout -text >text
  has text "$bits bit"
  logged_in --sign -m SHA256-RSA-PKCS-PSS --id $bits -i message -o signature --allow-sw
  openssl dgst -sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest -keyform DER -verify odd.der \
    -signature signature message
done

section 'keys that RSA unwraps'
logged_in --keypairgen --key-type rsa:2048 --id 03 --label wrapper --usage-wrap --usage-decrypt
in_token --read-object --type pubkey --id 03 -o wrapper.der
head -c 16 /dev/urandom >aes
openssl pkeyutl -encrypt -pubin -inkey wrapper.der -keyform DER -in aes -out wrapped
logged_in --unwrap -m RSA-PKCS --id 03 -i wrapped --key-type AES: --application-id 04 --application-label unwrapped \
  --usage-decrypt --extractable
printf 'sixteen bytes...' >plain
openssl enc -aes-128-ecb -nopad -K "$(od -An -tx1 -v aes | tr -d " \n")" -in plain -out sealed
logged_in --decrypt -m AES-ECB --id 04 -i sealed -o opened --allow-sw
cmp plain opened
logged_in --wrap -m RSA-PKCS --id 03 --application-id 04 -o rewrapped
logged_in --decrypt -m RSA-PKCS --id 03 -i rewrapped -o value
cmp aes value

section 'AES-CBC unwraps a key without a given length'
head -c 32 /dev/urandom >kek
logged_in --write-object kek --type secrkey --key-type AES:32 --id 06 --label kek
iv=000102030405060708090a0b0c0d0e0f
openssl enc -aes-256-cbc -nopad -K "$(od -An -tx1 -v kek | tr -d ' \n')" -iv $iv -in aes -out wrapped
logged_in --unwrap -m AES-CBC --iv $iv --id 06 -i wrapped --key-type AES: --application-id 07 --application-label whole \
  --extractable
logged_in --decrypt -m AES-ECB --id 07 -i sealed -o opened --allow-sw
cmp plain opened
