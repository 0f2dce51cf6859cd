#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# OpenSSH: ssh-keygen reads the public keys, ssh-agent signs with the private ones.
. "$(dirname "$0")/client.sh"
client 'OpenSSH' openssh-client

make_token client
logged_in --keypairgen --key-type rsa:2048 --id 01 --label rsa
logged_in --keypairgen --key-type EC:prime256v1 --id 02 --label ec

section 'ssh-keygen -D'
ssh-keygen -D "$VTPM_MODULE" >keys
[ "$(wc -l <keys)" -eq 2 ]
for key in rsa ec; do
  public_key object=$key $key.der
  openssl pkey -pubin -inform DER -in $key.der -out $key.pem
  has keys "$(ssh-keygen -i -m PKCS8 -f $key.pem | cut -d ' ' -f 1)"
  grep -F "$(ssh-keygen -i -m PKCS8 -f $key.pem | cut -d ' ' -f 2)" keys >$key.pub
done

section 'ssh-agent'
eval "$(ssh-agent -a "$scratch/agent" -P "$(realpath "$VTPM_MODULE")")" >/dev/null
at_exit() { kill "$SSH_AGENT_PID" 2>/dev/null || true; }
printf '#!/bin/sh\necho "$PIN"\n' >askpass
chmod 700 askpass
SSH_ASKPASS=$scratch/askpass SSH_ASKPASS_REQUIRE=force ssh-add -s "$VTPM_MODULE"
# Only the user's keys are listed, because each is offered to each server. SoftHSM2 lists its objects in random order.
if ours; then order='cat'; else order='sort'; fi
ssh-add -L | cut -d ' ' -f 2 | $order >offered
cut -d ' ' -f 2 rsa.pub ec.pub | $order | cmp - offered
for key in rsa ec; do
  ssh-keygen -Y sign -f $key.pub -n file <keys >$key.sig
  ssh-keygen -Y check-novalidate -n file -s $key.sig <keys
done
