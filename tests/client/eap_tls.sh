#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# wpa_supplicant's EAP-TLS with the key on the token: its program eapol_test against hostapd as the RADIUS server, and
# wpa_supplicant itself at a virtual wire with hostapd at the other end.
. "$(dirname "$0")/client.sh"
. "$VTPM_SOURCE/tests/client/certificates.sh"
client 'wpa_supplicant' wpasupplicant

make_token client
make_ca
token_certificate rsa 01 rsa:2048
token_certificate ec 02 EC:prime256v1
plain_certificate server
hostapd=$(PATH=$PATH:/usr/sbin type -P hostapd)
engine=$(openssl version -e | sed 's/.*"\(.*\)"/\1/')/pkcs11.so

port=$(free_port)
printf '127.0.0.1/32 radius\n' >clients
printf '* TLS\n' >users
eap_server="eap_server=1
eap_user_file=$scratch/users
ca_cert=$scratch/ca.pem
server_cert=$scratch/server.pem
private_key=$scratch/server.key"
cat >hostapd.conf <<CONF
driver=none
radius_server_clients=$scratch/clients
radius_server_auth_port=$port
$eap_server
CONF
serve hostapd "$hostapd" hostapd.conf

# Debian's wpa_supplicant loads modules from /usr/lib only. In a mount namespace this module takes the place of another
# one there.
place=$(find /usr/lib -name 'onepin-opensc-pkcs11.so' -exec realpath {} + | head -n 1)
own=(unshare --mount)
[ "$(id -u)" -eq 0 ] || own+=(--user --map-root-user)
"${own[@]}" true 2>/dev/null || own+=(--propagation unchanged)
eapol_test() {
  "${own[@]}" sh -c 'mount --bind "$1" "$2" && shift 2 && exec "$@"' sh "$VTPM_MODULE" "$place" \
    "$(PATH=$PATH:/usr/sbin type -P eapol_test)" -c network -a 127.0.0.1 -p "$port" -s radius -t 20
}
for key in rsa ec; do
  section "EAP-TLS with the $key key"
  cat >network <<CONF
pkcs11_engine_path=$engine
pkcs11_module_path=$place
network={
  key_mgmt=IEEE8021X
  eap=TLS
  identity="$key"
  ca_cert="$scratch/ca.pem"
  client_cert="$scratch/$key.pem"
  engine=1
  engine_id="pkcs11"
  key_id="$(key_url $key)"
  pin="$PIN"
}
CONF
  into eap.out eapol_test
  has eap.out '^SUCCESS'
done

section 'wpa_supplicant is let in at a port of a wire, which hostapd guards (802.1X)'
cat >wired.conf <<CONF
driver=wired
interface=authenticator
ieee8021x=1
$eap_server
CONF
{
  echo ap_scan=0
  cat network
} >wired_network
cat >wire.sh <<'WIRE'
mount --bind "$1" "$2"
ip link add supplicant type veth peer name authenticator
ip link set supplicant up
ip link set authenticator up
"$3" wired.conf >authenticator.log 2>&1 &
"$4" -D wired -i supplicant -c wired_network >supplicant.log 2>&1 &
for _ in $(seq 200); do
  ! grep -q CTRL-EVENT-CONNECTED supplicant.log || break
  sleep 0.1
done
kill $(jobs -p)
wait
cat authenticator.log supplicant.log
WIRE
supplicant=$(PATH=$PATH:/usr/sbin type -P wpa_supplicant)
PATH=$PATH:/usr/sbin into wire.out "${own[@]}" --net bash wire.sh "$VTPM_MODULE" "$place" "$hostapd" "$supplicant"
has supplicant.log '^supplicant: CTRL-EVENT-EAP-SUCCESS'
has supplicant.log '^supplicant: CTRL-EVENT-CONNECTED'
has authenticator.log "^authenticator: CTRL-EVENT-EAP-SUCCESS"

section 'the certificate too comes from the token'
sed -i -e "s|client_cert=.*|cert_id=\"pkcs11:token=client;object=ec;type=cert\"|" network
into eap.out eapol_test
has eap.out '^SUCCESS'

section 'a certificate of another CA is rejected'
cp ca.pem right-ca.pem
make_ca
plain_certificate stranger
mv right-ca.pem ca.pem
sed -i -e '/engine/d; /key_id/d; /cert_id/d; /pin=/d' network
sed -i -e "s|identity=.*|&\n  client_cert=\"$scratch/stranger.pem\"\n  private_key=\"$scratch/stranger.key\"|" network
if eapol_test >eap.out 2>&1; then false; fi
has eap.out '^FAILURE'
