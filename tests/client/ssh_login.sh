#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# OpenSSH logs in to a real sshd: with an agent that holds three tokens, of which the last one's last key is the right one,
# and with a certificate that a user CA on the token has signed. sshd runs as ssh's proxy command: it needs no port.
. "$(dirname "$0")/client.sh"
client 'OpenSSH' openssh-client

for token in first second third; do
  make_token $token
  logged_in --keypairgen --key-type rsa:2048 --id 01 --label $token-rsa
  logged_in --keypairgen --key-type EC:prime256v1 --id 02 --label $token-ec
done
sshd=$(PATH=$PATH:/usr/sbin type -P sshd)
made=''
if [ "$(id -u)" -eq 0 ] && [ ! -d /run/sshd ]; then # root's sshd has its empty directory there
  made=yes
  mkdir -m 755 /run/sshd
fi
at_exit() {
  kill "${SSH_AGENT_PID:-}" 2>/dev/null || true
  [ -z "$made" ] || rmdir /run/sshd 2>/dev/null || true
}
ssh-keygen -q -t ed25519 -N '' -f host
printf 'localhost %s\n' "$(cut -d ' ' -f 1-2 host.pub)" >known_hosts
cat >sshd.conf <<CONF
HostKey $scratch/host
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
AuthorizedKeysFile $scratch/authorized
TrustedUserCAKeys $scratch/ca.pub
CONF
printf '#!/bin/sh\necho "$PIN"\n' >askpass
chmod 700 askpass
export SSH_ASKPASS=$scratch/askpass SSH_ASKPASS_REQUIRE=force
# The user's shell may not have the variables of this test, so the test only checks its output.
login() { # [options]
  ssh -F none "$@" -o BatchMode=yes -o UserKnownHostsFile="$scratch/known_hosts" -o PasswordAuthentication=no \
    -o ProxyCommand="$sshd -i -e -f $scratch/sshd.conf -E $scratch/sshd.log" localhost echo logged in as '$(id -un)'
}
token_key() { # TOKEN KIND: as OpenSSH writes it
  token=$1 public_key "object=$1-$2" key.der
  openssl pkey -pubin -inform DER -in key.der -out key.pem
  ssh-keygen -i -m PKCS8 -f key.pem
}
denied() { if login; then return 1; fi; }
token_key first rsa >ca.pub
: >authorized

section 'ssh-add -s: an agent with the keys of three tokens'
eval "$(ssh-agent -a "$scratch/agent" -P "$VTPM_MODULE")" >/dev/null
ssh-add -s "$VTPM_MODULE"
ssh-add -l >identities
[ "$(wc -l <identities)" -eq 6 ]

section 'a login with the last key that the agent offers'
last=$(ssh-add -L | tail -n 1 | cut -d ' ' -f 1-2)
echo "$last" >authorized
[ "$(login)" = "logged in as $(id -un)" ]
has sshd.log 'Accepted publickey'

section 'each token logs in, RSA and ECDSA'
for token in first second third; do
  for kind in rsa ec; do
    token_key $token $kind >authorized
    [ "$(login)" = "logged in as $(id -un)" ]
  done
done
: >authorized
denied

section 'ssh -I: without an agent'
token_key third ec >authorized
[ "$(SSH_AUTH_SOCK='' login -o BatchMode=no -I "$VTPM_MODULE")" = "logged in as $(id -un)" ]
: >authorized

section 'a user CA on the token signs the key of a user'
ssh-keygen -q -t ed25519 -N '' -f user
ssh-keygen -q -D "$VTPM_MODULE" -s ca.pub -I somebody -n "$(id -un)" -V +1h user.pub
ssh-keygen -L -f user-cert.pub >certificate
has certificate 'Signing CA: RSA'
[ "$(SSH_AUTH_SOCK='' login -i user)" = "logged in as $(id -un)" ]
has sshd.log 'ID somebody'

section 'the user key is on the token too, with a certificate of the CA'
token_key second ec >card.pub
ssh-keygen -q -D "$VTPM_MODULE" -s ca.pub -I cardholder -n "$(id -un)" -V +1h card.pub
[ "$(login -o CertificateFile="$scratch/card-cert.pub")" = "logged in as $(id -un)" ]
has sshd.log 'ID cardholder'
ssh-add -q -e "$VTPM_MODULE"
refused ssh-add -l
