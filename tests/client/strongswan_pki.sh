#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# strongSwan's pki: a CA whose key is on the token issues certificates and a revocation list, which OpenSSL verifies.
. "$(dirname "$0")/client.sh"
client 'strongSwan pki' strongswan-pki

make_token client
logged_in --keypairgen --key-type rsa:2048 --id 01 --label rsa
logged_in --keypairgen --key-type EC:prime256v1 --id 02 --label ec
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out user.key 2>/dev/null
cat >strongswan.conf <<CONF
libstrongswan {
  plugins {
    pkcs11 {
      modules {
        token {
          path = $VTPM_MODULE
          os_locking = yes
        }
      }
    }
  }
}
CONF
export STRONGSWAN_CONF=$scratch/strongswan.conf
# Without a terminal the PIN comes from the standard input.
pki() { setsid --wait pki "$@" 2>pki.log <<<"$PIN" || { cat pki.log && return 1; }; }

for key in rsa ec; do
  id=01
  [ $key = rsa ] || id=02
  section "pki --pub, --req, --self with the $key key"
  pki --pub --keyid $id --outform pem >pub.pem
  public_key id=%$id expected.der
  cmp <(openssl pkey -pubin -in pub.pem) <(openssl pkey -pubin -inform DER -in expected.der)
  pki --req --keyid $id --dn "CN=$key" --outform pem >request.pem
  openssl req -in request.pem -noout -verify
  pki --self --ca --keyid $id --dn "CN=CA $key" --outform pem >$key-ca.pem
  openssl verify -check_ss_sig -CAfile $key-ca.pem $key-ca.pem
  has_not pki.log 'CKR_'

  section "pki --issue and --signcrl with the $key key"
  openssl pkey -in user.key -pubout -out user.pub
  pki --issue --cacert $key-ca.pem --cakeyid $id --in user.pub --type pub --dn CN=user --outform pem >user.pem
  openssl verify -CAfile $key-ca.pem user.pem
  pki --signcrl --cacert $key-ca.pem --cakeyid $id --cert user.pem --reason key-compromise --outform pem >crl.pem
  openssl crl -in crl.pem -noout -CAfile $key-ca.pem
  refused openssl verify -CAfile $key-ca.pem -CRLfile crl.pem -crl_check user.pem
  has refused.out 'certificate revoked'
done
