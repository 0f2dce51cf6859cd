#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every signature and decryption mechanism through pkcs11-tool, checked by plain openssl with the public key.
. "$(dirname "$0")/client.sh"

make_token client
head -c 100000 /dev/urandom >long # longer than a client's buffer: C_SignUpdate
printf 'short' >short

rsa_public_key() { # ID -> rsa.pem
  in_token --read-object --type pubkey --id "$1" -o rsa.der
  openssl pkey -pubin -inform DER -in rsa.der -out rsa.pem
}
# pkcs11-tool 0.23 can write no EC key but P-256's, so the SubjectPublicKeyInfo (RFC 5480) is put together from the
# listed point, of which the last BYTES are 04, X and Y.
ec_public_key() { # ID PREFIX BYTES -> ec.pem
  local point digits=$((2 * $3))
  point=$(in_token --list-objects --type pubkey |
    awk -v id="$1" '/EC_POINT:/ { point = $2 } /ID:/ && $2 == id { print point }')
  # shellcheck disable=SC2059 # the format is the bytes
  printf "$(sed 's/../\\x&/g' <<<"$2${point: -digits}")" >ec.der
  openssl pkey -pubin -inform DER -in ec.der -out ec.pem
}
sign() { logged_in --sign --id "$1" -m "$2" -i "$3" -o signature "${@:4}"; }
digest() { openssl dgst "-$1" -binary -out digest "$2"; }

rsa() { # BITS ID
  section "RSA $1"
  logged_in --keypairgen --key-type "rsa:$1" --id "$2" --label "rsa-$1"
  rsa_public_key "$2"
  openssl pkey -pubin -in rsa.pem -noout -text | grep "($1 bit)"

  for hash in 1 224 256 384 512; do
    for message in short long; do
      sign "$2" "SHA$hash-RSA-PKCS" $message
      openssl dgst "-sha$hash" -verify rsa.pem -signature signature $message
    done
  done
  in_token --verify --id "$2" -m SHA512-RSA-PKCS -i long --signature-file signature | grep 'Signature is valid'
  printf x >>long
  # pkcs11-tool 0.26 calls it an error.
  { in_token --verify --id "$2" -m SHA512-RSA-PKCS -i long --signature-file signature 2>&1 || :; } | grep 'Invalid signature'

  sign "$2" RSA-PKCS short
  openssl pkeyutl -verifyrecover -pubin -inkey rsa.pem -in signature -out recovered
  cmp short recovered

  { printf '\0' && head -c $(($1 / 8 - 1)) /dev/urandom; } >block # below any modulus of that size
  sign "$2" RSA-X-509 block
  openssl pkeyutl -verifyrecover -pubin -inkey rsa.pem -pkeyopt rsa_padding_mode:none -in signature -out recovered
  cmp block recovered

  for hash in 1 224 256 384 512; do
    sign "$2" "SHA$hash-RSA-PKCS-PSS" long
    openssl dgst "-sha$hash" -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest \
      -verify rsa.pem -signature signature long
  done
  digest sha256 short
  for salt in 0 20 32; do
    sign "$2" RSA-PKCS-PSS digest --hash-algorithm SHA256 --mgf MGF1-SHA256 --salt-len $salt
    openssl pkeyutl -verify -pubin -inkey rsa.pem -in digest -sigfile signature -pkeyopt digest:sha256 \
      -pkeyopt rsa_padding_mode:pss -pkeyopt rsa_pss_saltlen:$salt
  done

  decrypt() { logged_in --decrypt --id "$id" -m "$1" -i sealed -o opened "${@:2}" && cmp "$plain" opened; }
  local id=$2 plain=short
  openssl pkeyutl -encrypt -pubin -inkey rsa.pem -in short -out sealed
  decrypt RSA-PKCS
  openssl pkeyutl -encrypt -pubin -inkey rsa.pem -pkeyopt rsa_padding_mode:oaep -in short -out sealed
  decrypt RSA-PKCS-OAEP --hash-algorithm SHA-1 --mgf MGF1-SHA1
  for hash in 224 256 384 512; do
    openssl pkeyutl -encrypt -pubin -inkey rsa.pem -pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha$hash \
      -pkeyopt rsa_mgf1_md:sha$hash -in short -out sealed
    decrypt RSA-PKCS-OAEP --hash-algorithm SHA$hash --mgf MGF1-SHA$hash
  done
  openssl pkeyutl -encrypt -pubin -inkey rsa.pem -pkeyopt rsa_padding_mode:none -in block -out sealed
  plain=block decrypt RSA-X-509
  # A damaged cipher text is refused, and the key works after it.
  openssl pkeyutl -encrypt -pubin -inkey rsa.pem -pkeyopt rsa_padding_mode:oaep -in short -out sealed
  cp sealed good
  printf '\x5a' | dd of=sealed bs=1 seek=100 conv=notrunc status=none
  refused logged_in --decrypt --id "$2" -m RSA-PKCS-OAEP --hash-algorithm SHA-1 --mgf MGF1-SHA1 -i sealed -o opened
  cp good sealed
  decrypt RSA-PKCS-OAEP --hash-algorithm SHA-1 --mgf MGF1-SHA1
}

ec() { # CURVE ID PREFIX BYTES
  section "EC $1"
  logged_in --keypairgen --key-type "EC:$1" --id "$2" --label "ec-$1"
  ec_public_key "$2" "$3" "$4"
  openssl pkey -pubin -in ec.pem -noout -text | grep "ASN1 OID: $1"
  for hash in 1 224 256 384 512; do
    sign "$2" "ECDSA-SHA$hash" long --signature-format openssl
    openssl dgst "-sha$hash" -verify ec.pem -signature signature long
    # The digests were computed elsewhere and are shorter and longer than the curve.
    digest "sha$hash" short
    sign "$2" ECDSA digest --signature-format openssl
    openssl dgst "-sha$hash" -verify ec.pem -signature signature short
  done
  sign "$2" ECDSA-SHA256 short
  in_token --verify --id "$2" -m ECDSA-SHA256 -i short --signature-file signature | grep 'Signature is valid'
}

rsa 2048 01
rsa 3072 02
ec prime256v1 11 3059301306072a8648ce3d020106082a8648ce3d030107034200 65
ec secp384r1 12 3076301006072a8648ce3d020106052b81040022036200 97
ec secp521r1 13 30819b301006072a8648ce3d020106052b8104002303818600 133

section 'digests and random bytes, without a login'
for hash in 1 224 256 384 512; do
  name=SHA$hash
  [ "$hash" != 1 ] || name=SHA-1
  in_token --hash -m "$name" -i long -o hashed
  digest "sha$hash" long
  cmp digest hashed
done
in_token --generate-random 4096 -o random.1
in_token --generate-random 4096 -o random.2
[ "$(stat -c %s random.1)" -eq 4096 ]
refused cmp random.1 random.2
