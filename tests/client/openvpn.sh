#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# OpenVPN's TLS handshake with the client's, and then the server's key on the token, through pkcs11-helper. The device is
# `null`: the test needs neither privileges nor an interface.
. "$(dirname "$0")/client.sh"
. "$VTPM_SOURCE/tests/client/certificates.sh"
client 'OpenVPN' openvpn

make_token client
make_ca
token_certificate rsa 01 rsa:2048
token_certificate ec 02 EC:prime256v1
plain_certificate plain
openvpn=$(PATH=$PATH:/usr/sbin type -P openvpn)

section 'openvpn --show-pkcs11-ids'
into ids "$openvpn" --show-pkcs11-ids "$VTPM_MODULE"
has ids 'DN: +CN=rsa'
has ids 'DN: +CN=ec'
id_of() { # NAME
  awk -v name="CN=$1" '$1 == "DN:" { found = ($2 == name) } found && /Serialized id:/ { print $3; exit }' ids
}

peer() { # NAME, tls-server or tls-client, options: each side checks the other's certificate with the plain CA
  serve "$1" "$openvpn" --dev null --proto udp --verb 4 --ca ca.pem --"$2" --connect-retry 1 --auth-nocache "${@:3}"
}
# openvpn asks for the PIN on its management port.
answer() { # PORT
  eventually listening "$1"
  exec 5<>"/dev/tcp/127.0.0.1/$1"
  while read -r line <&5; do
    case $line in
      ">PASSWORD:Need '"*)
        line=${line#*\'}
        printf 'password "%s" "%s"\n' "${line%%\'*}" "$PIN" >&5
        ;;
    esac
  done
}
of_token() { # LABEL: options; the management port is $management
  pkcs11=(--pkcs11-providers "$VTPM_MODULE" --pkcs11-id "$(id_of "$1")" --management 127.0.0.1 "$management"
    --management-query-passwords)
}

for key in rsa ec; do
  for side in client server; do
    section "a handshake with the $key key of the $side on the token"
    management=$(free_port)
    port=$(free_port)
    of_token $key
    plain=(--cert plain.pem --key plain.key)
    if [ $side = client ]; then
      peer vpn-server tls-server --local 127.0.0.1 --port "$port" --dh none "${plain[@]}"
      peer vpn-client tls-client --remote 127.0.0.1 "$port" --nobind "${pkcs11[@]}"
    else
      peer vpn-server tls-server --local 127.0.0.1 --port "$port" --dh none "${pkcs11[@]}"
      peer vpn-client tls-client --remote 127.0.0.1 "$port" --nobind "${plain[@]}"
    fi
    answer "$management" &
    answers=$!
    eventually grep -q 'Peer Connection Initiated' vpn-server.log
    eventually grep -q 'Peer Connection Initiated' vpn-client.log
    other=vpn-client.log
    [ $side = server ] || other=vpn-server.log
    has $other "VERIFY OK: depth=0, CN=$key"
    has $other 'Control Channel: TLSv1.3'
    stop vpn-client
    stop vpn-server
    wait $answers || true
  done
done
