#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# libp11 as its users use it: the first certificate of a token and its key, and the engine with a URI that names a token only.
. "$(dirname "$0")/client.sh"
. "$VTPM_SOURCE/tests/client/certificates.sh"
client 'libp11' libp11-3 libp11-3t64
: "${VTPM_PROGRAMS:?}"

make_token client
openssl req -new -x509 -newkey rsa:2048 -nodes -keyout own.key -subj /CN=user -days 30 -out user.pem 2>/dev/null
openssl x509 -in user.pem -outform DER -out user.der
openssl rsa -in own.key -outform DER -out own.der 2>/dev/null
logged_in --write-object own.der --type privkey --id 01 --label user --usage-sign
logged_in --write-object user.der --type cert --id 01 --label user

section 'the first certificate of the token, its key, a signature'
"$VTPM_PROGRAMS/first_certificate" "$VTPM_MODULE" client "$PIN" first.der
cmp first.der user.der

section 'the engine signs with the key of a token, no object named'
configure_engine
with_engine openssl dgst -sha256 -engine pkcs11 -keyform engine -sign 'pkcs11:token=client' \
  -out signature user.der
openssl x509 -in user.pem -noout -pubkey -out user.pub
openssl dgst -sha256 -verify user.pub -signature signature user.der
