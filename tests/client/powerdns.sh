#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# PowerDNS: a zone that the server signs while it answers, with keys on the token; BIND's delv validates the answers.
# PowerDNS 4.7 sets neither field of a digest's parameter.
. "$(dirname "$0")/client.sh"
client 'PowerDNS' pdns-server
. "$VTPM_SOURCE/scripts/registration.sh"
at_exit() { unregister_module; }

make_token client
logged_in --keypairgen --key-type EC:prime256v1 --id 01 --label ec
logged_in --keypairgen --key-type rsa:2048 --id 02 --label rsa
export XDG_CONFIG_HOME=$scratch/config
register_module "$VTPM_MODULE" vtpm-pkcs11-test

port=$(free_port)
{
  printf 'options { directory "%s"; };\n' "$scratch"
  for zone in ec rsa; do printf 'zone "%s.example" { type master; file "%s.zone"; };\n' $zone $zone; done
} >named.conf
for zone in ec rsa; do
  cat >$zone.zone <<ZONE
$zone.example. 3600 IN SOA ns.$zone.example. admin.$zone.example. 1 3600 900 86400 300
$zone.example. 3600 IN NS ns.$zone.example.
ns.$zone.example. 3600 IN A 192.0.2.1
www.$zone.example. 3600 IN AAAA 2001:db8::1
ZONE
done
cat >pdns.conf <<CONF
launch=bind
bind-config=$scratch/named.conf
bind-dnssec-db=$scratch/dnssec.db
local-address=127.0.0.1
local-port=$port
socket-dir=$scratch
security-poll-suffix=
CONF
pdns() { pdnsutil --config-dir="$scratch" "$@"; }
into created pdns create-bind-db "$scratch/dnssec.db"

section 'pdnsutil hsm assign'
into assigned pdns hsm assign ec.example ecdsa256 ksk vtpm-pkcs11-test client "$PIN" ec
into assigned pdns hsm assign rsa.example rsasha256 ksk vtpm-pkcs11-test client "$PIN" rsa

section 'pdnsutil show-zone: the keys are the token'"'"'s'
printf 'trust-anchors {\n' >anchors
for zone in ec rsa; do
  into shown pdns show-zone $zone.example
  key=$(sed -n 's/.* IN DNSKEY 257 3 \([0-9]*\) \([^ ]*\) ;.*/\1 "\2"/p' shown)
  [ -n "$key" ]
  printf '  %s.example. static-key 257 3 %s;\n' $zone "$key" >>anchors
done
printf '};\n' >>anchors
point=$(in_token --list-objects --type pubkey | awk '/EC_POINT:/ { point = $2 } /label:/ && $2 == "ec" { print point }')
grep -F "\"$(printf '%s' "${point: -128}" | tr a-f A-F | basenc --base16 -d | base64 -w 0)\"" anchors

section 'the server signs its answers'
PATH=$PATH:/usr/sbin serve pdns pdns_server --config-dir="$scratch" --daemon=no --guardian=no
eventually listening "$port"
for zone in ec rsa; do
  into answer delv @127.0.0.1 -p "$port" -a anchors "+root=$zone.example" "www.$zone.example" AAAA
  has answer '^; fully validated'
  has answer "^www.$zone.example.*2001:db8::1"
  has answer 'RRSIG'
  into answer delv @127.0.0.1 -p "$port" -a anchors "+root=$zone.example" "none.$zone.example" AAAA
  has answer '^; negative response, fully validated'
done
stop pdns
