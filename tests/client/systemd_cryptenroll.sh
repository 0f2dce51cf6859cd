#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# systemd-cryptenroll: the tokens that it lists, and the certificate that it encrypts a volume key for, unasked.
. "$(dirname "$0")/client.sh"
. "$VTPM_SOURCE/scripts/registration.sh"
client 'systemd-cryptenroll' systemd-cryptsetup systemd
at_exit() { unregister_module; }

make_token client
logged_in --keypairgen --key-type rsa:2048 --id 01 --label volume --usage-decrypt
export XDG_CONFIG_HOME=$scratch/config
# The module is registered under the name of SoftHSM2, because systemd-cryptenroll would list SoftHSM2's slots too.
register_module "$VTPM_MODULE" softhsm2
public_key object=volume volume.der
openssl genrsa -out any.key 2048 2>/dev/null
openssl pkey -pubin -inform DER -in volume.der -out volume.pub
openssl x509 -new -subj /CN=volume -force_pubkey volume.pub -signkey any.key -days 30 -out volume.pem
openssl x509 -in volume.pem -outform DER -out certificate.der
logged_in --write-object certificate.der --type cert --id 01 --label volume
head -c 32M /dev/zero >volume
export PASSWORD=volume-password
printf %s "$PASSWORD" >password
cryptsetup luksFormat --batch-mode --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --key-file password volume

section '--pkcs11-token-uri=list'
# systemd-cryptenroll opens a session on every token, and lists those in hardware slots (CKF_HW_SLOT), which an emulated
# TPM is not.
systemd-cryptenroll --pkcs11-token-uri=list 2>&1 | tee listed
has_not listed 'Failed'

section '--pkcs11-token-uri=auto takes the one certificate; the key on the token opens the volume'
systemd-cryptenroll --pkcs11-token-uri=auto volume 2>&1 | tee enrolled
has enrolled '^New PKCS#11 token enrolled'
cryptsetup luksDump volume --dump-json-metadata |
  jq -r '.tokens[] | select(.type == "systemd-pkcs11") | ."pkcs11-key"' | base64 -d >sealed
logged_in --decrypt --mechanism RSA-PKCS --id 01 --input-file sealed --output-file key
base64 -w 0 key | cryptsetup open --test-passphrase --key-file - volume
