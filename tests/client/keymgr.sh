#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Knot DNS: keymgr makes the keys of zones on the token, kzonesign signs zones with them, and BIND's dnssec-verify checks.
. "$(dirname "$0")/client.sh"
client 'Knot keymgr' knot

make_token client
sbin() { PATH=$PATH:/usr/sbin "$@"; }
mkdir kasp zones
zone() { # NAME
  cat >"zones/$1.zone" <<ZONE
$1. 3600 SOA ns.$1. admin.$1. 1 3600 900 86400 300
$1. 3600 NS ns.$1.
ns.$1. 3600 A 192.0.2.1
www.$1. 3600 AAAA 2001:db8::1
ZONE
}
cat >knot.conf <<CONF
server:
    rundir: "$scratch"
database:
    storage: "$scratch/kasp"
log:
  - target: stderr
    any: info
keystore:
  - id: token
    backend: pkcs11
    config: "pkcs11:token=client;pin-value=$PIN $VTPM_MODULE"
policy:
CONF
algorithms=(rsasha256 ecdsap256sha256 ecdsap384sha384 ed25519)
for algorithm in "${algorithms[@]}"; do
  printf '  - id: %s\n    keystore: token\n    algorithm: %s\n    manual: on\n' "$algorithm" "$algorithm" >>knot.conf
done
printf 'zone:\n' >>knot.conf
for algorithm in "${algorithms[@]}"; do
  zone "$algorithm.example"
  printf '  - domain: %s.example\n    storage: "%s/zones"\n    file: %s.example.zone\n    dnssec-signing: on\n    dnssec-policy: %s\n' \
    "$algorithm" "$scratch" "$algorithm" "$algorithm" >>knot.conf
done
keymgr() { command keymgr -c knot.conf "$@"; }

signed_zone() { # ALGORITHM
  local algorithm=$1 domain=$1.example
  into generated keymgr "$domain." generate "algorithm=$algorithm" ksk=yes
  into generated keymgr "$domain." generate "algorithm=$algorithm" zsk=yes
  into keys keymgr "$domain." list
  [ "$(grep -c -i "$algorithm" keys)" = 2 ]
  mkdir -p signed
  into signed.log kzonesign -c knot.conf -o signed "$domain"
  zone_file=$(find signed -name "$domain*" | head -n 1)
  into verified sbin dnssec-verify -o "$domain" "$zone_file"
  has verified 'Zone fully signed'
  keymgr "$domain." ds >ds
  has ds 'DS'
}
for algorithm in rsasha256 ecdsap256sha256 ecdsap384sha384; do
  section "keymgr generate and kzonesign with $algorithm"
  signed_zone "$algorithm"
done

section 'keymgr list'
into keys keymgr ecdsap256sha256.example. list
[ "$(grep -c -i ecdsap256sha256 keys)" = 2 ]

section 'keymgr import-pem: a key that was made elsewhere'
openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out own.pem
into imported keymgr ecdsap256sha256.example. import-pem own.pem algorithm=ecdsap256sha256 ksk=no zsk=yes
into keys keymgr ecdsap256sha256.example. list
[ "$(grep -c -i ecdsap256sha256 keys)" = 3 ]

section 'keymgr delete'
id=$(awk '{ print $1; exit }' keys)
into deleted keymgr ecdsap256sha256.example. delete "$id"
into keys keymgr ecdsap256sha256.example. list
has_not keys "$id"

section 'keymgr generate and kzonesign with ed25519, whose keys Knot generates by CKM_EDDSA'
signed_zone ed25519
