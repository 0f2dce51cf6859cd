#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# State directories of virtual machines' TPMs that belong to other users: the user of swtpm, a backup, a read-only medium, a
# full disk. Runs in a namespace, in which its root user mounts them and changes owners.
. "$(dirname "$0")/own_namespace.sh"
. "$VTPM_SOURCE/tests/client/client.sh"
: "${VTPM_TOOL:?}"
. "$VTPM_SOURCE/tests/client/swtpm_machine.sh"
at_exit() {
  stop_swtpm
  umount --lazy "$scratch/small" "$scratch/medium" "$scratch/tokens" 2>/dev/null || true
}
(umask 077 && printf '%s' "$PIN" >pin && printf '%s' "$SO_PIN" >so-pin)
chmod 755 "$scratch"
import() { "$VTPM_TOOL" swtpm import --pin-file pin "$@"; }
import_new() { import --label "$1" --so-pin-file so-pin --directory "$2" "${@:3}"; } # LABEL DIRECTORY [options]
export_to() { "$VTPM_TOOL" swtpm export --pin-file pin --token "${token:-client}" --directory "$@"; }
# The user that swtpm runs as (tss, elsewhere).
readonly machine=2
as_machine=(setpriv --reuid="$machine" --regid="$machine" --clear-groups)
suspend() { # DIRECTORY: a machine that was started and is suspended
  start_swtpm "$1"
  tpm2_pcrextend 16:sha256="$(printf 'a%.0s' {1..64})"
  swtpm_ioctl --unix tpm.ctrl -v
  swtpm_ioctl --unix tpm.ctrl -s
  wait "$swtpm_pid" || true
  swtpm_pid=
  rm -f tpm tpm.ctrl
  [ -f "$1/tpm2-00.volatilestate" ]
}
listing() { find "$1" -printf '%p %y %U %G %m %s %T@\n' | sort; }

"$VTPM_TOOL" init --label client --so-pin-file so-pin --pin-file pin >init.out
logged_in --keypairgen --key-type EC:prime256v1 --id 01

section 'a passphrase file is read whole, as swtpm reads it'
printf 'correct horse battery staple, and as many words again: %s\n' {a..z} >passphrase
[ "$(stat -c %s passphrase)" -gt 1024 ]
for kdf in pbkdf2 sha512; do
  export_to "pass-$kdf" --passphrase-file passphrase --kdf $kdf
  start_swtpm "pass-$kdf" --key pwdfile=passphrase,kdf=$kdf
  stop_swtpm
  import --token client --directory "pass-$kdf" --passphrase-file passphrase --kdf $kdf
done
swtpm_setup --tpm2 --tpmstate "$PWD" --pwdfile passphrase --overwrite >setup.out 2>&1 || { cat setup.out && false; }
mkdir theirs && mv tpm2-00.permall theirs
import_new theirs theirs --passphrase-file passphrase

section 'what is no passphrase encrypts nothing'
: >empty
for file in empty tokens ''; do
  refused export_to no-passphrase --passphrase-file "$file"
  refused export_to no-passphrase --key-file "$file"
  [ ! -e no-passphrase ]
done
refused export_to no-passphrase --passphrase-file empty
has refused.out 'empty is empty: a passphrase must have at least one byte'

section 'an import leaves its source as it is'
export_to vm
mkdir backup && cp -p vm/tpm2-00.permall backup/
listing backup >before
import --token client --directory backup
listing backup | diff before -
mkdir medium && mount --bind backup medium && mount -o remount,ro,bind medium
import --token client --directory medium
umount medium

section "another user's backup, whose lock file is not for us"
chmod 644 backup/tpm2-00.permall
install -m 600 /dev/null backup/.lock
mkdir mine
cp "$VTPM_TOOL" tool
install -m 600 -o $machine -g $machine pin mine/pin
install -m 600 -o $machine -g $machine so-pin mine/so-pin
sed -e "s|^store_dir.*|store_dir = \"$scratch/mine/tokens\"|" -e '/^log/d' "$VTPM_PKCS11_CONF" >mine/conf.toml
chown $machine:$machine mine
import_theirs() {
  VTPM_PKCS11_CONF=mine/conf.toml "${as_machine[@]}" ./tool swtpm import --label theirs --pin-file mine/pin \
    --so-pin-file mine/so-pin --directory backup
}
listing backup >before
import_theirs
listing backup | diff before -
start_swtpm backup
refused import_theirs
has refused.out 'swtpm runs on backup'
refused import --token client --directory backup
has refused.out 'swtpm runs on backup'
stop_swtpm

section 'an export gives the files to whom they belonged'
chown -R $machine:$machine vm
chmod 750 vm && chmod 640 vm/tpm2-00.permall
rm vm/.lock
export_to vm --overwrite
[ "$(stat -c %u:%g:%a vm/tpm2-00.permall)" = $machine:$machine:640 ]
[ "$(stat -c %u vm/.lock)" = $machine ]
mkdir run && chown $machine run
"${as_machine[@]}" swtpm socket --tpm2 --tpmstate "dir=$scratch/vm" --server "type=unixio,path=$scratch/run/tpm" \
  --ctrl "type=unixio,path=$scratch/run/tpm.ctrl" --flags startup-clear >swtpm.log 2>&1 &
swtpm_pid=$!
until [ -S run/tpm.ctrl ]; do
  kill -0 "$swtpm_pid"
  sleep 0.05
done
TPM2TOOLS_TCTI=swtpm:path=$scratch/run/tpm tpm2_readpublic -c 0x81000001 >/dev/null
swtpm_ioctl --unix run/tpm.ctrl -s
wait "$swtpm_pid" || true
swtpm_pid=
mkdir fresh && chown $machine:$machine fresh
export_to fresh
[ "$(stat -c %u:%a fresh/tpm2-00.permall)" = $machine:600 ]

section 'a full disk keeps the machine that was there, and the token the one that it was to hand out'
export_to suspended
suspend suspended
import --token client --directory suspended
mkdir small && mount -t tmpfs -o size=128k none small
mkdir small/vm && cp -p suspended/tpm2-00.* small/vm/
dd if=/dev/zero of=small/filler bs=4k 2>/dev/null || :
truncate -s -4k small/filler # room for the permanent state, not for the volatile one
listing small/vm | grep -v ' d ' >before
refused export_to small/vm --overwrite
has refused.out 'No space left'
listing small/vm | grep -v -e ' d ' -e '/\.lock ' | diff before -
refused export_to small/new
[ ! -e small/new ]
umount small

section 'from a read-only store a suspended machine does not go'
mount --bind tokens tokens && mount -o remount,ro,bind tokens
refused export_to twice
has refused.out 'cannot be written'
[ ! -e twice ]
export_to powered-off --discard-volatile
[ ! -e powered-off/tpm2-00.volatilestate ]
umount tokens

section 'it goes once, also when two ask at the same time'
export_to once-a >a.out 2>&1 &
first=$!
export_to once-b >b.out 2>&1 || :
wait "$first" || :
[ "$(find once-a once-b -name tpm2-00.volatilestate 2>/dev/null | wc -l)" = 1 ] || {
  cat a.out b.out
  false
}

section 'the TPM of another machine does not take the place of objects'
swtpm_setup --tpm2 --tpmstate "$PWD" --overwrite >setup.out 2>&1 || { cat setup.out && false; }
mkdir other && mv tpm2-00.permall other
"$VTPM_TOOL" init --label areas --so-pin-file so-pin --pin-file pin >init.out
printf 'kept' >value
token=areas logged_in --write-object value --type data --label travels --application-label tpm-nv --private
refused import --token areas --directory other
has refused.out 'another TPM'
has refused.out '"travels" \(0x01'
token=areas logged_in --read-object --type data --label travels -o back
cmp value back
token=areas export_to areas
start_swtpm areas
index=$(sed -n 's/.*"travels" (\(0x[0-9a-f]*\)).*/\1/p' refused.out)
tpm2_nvundefine -C o "$index"
stop_swtpm
import --token areas --directory areas >import.out
has import.out "\"travels\" \\($index\\) is not in that TPM any more"
import --token areas --directory other # nothing is lost now

section 'a storage root key with an auth value'
mkdir guarded
start_swtpm guarded
tpm2_createprimary -C o -G ecc256:aes128cfb -g sha256 -p secret -c srk.ctx -Q \
  -a 'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|restricted|decrypt'
tpm2_evictcontrol -C o -c srk.ctx 0x81000001 -Q
stop_swtpm
import_new guarded guarded
token=guarded logged_in --keypairgen --key-type EC:prime256v1 --id 01
printf 'message' >message
token=guarded logged_in --sign -m ECDSA-SHA256 --id 01 -i message -o signature

section 'a TPM that is full of persistent keys'
mkdir full
start_swtpm full
for kind in rsa2048 ecc256; do
  tpm2_createprimary -C e -G $kind -c $kind.ctx -Q -a 'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|sign|decrypt'
done
handle=$((0x81000100))
for key in 0x80000000 0x80000001; do # the large one, then the small one where that has no room
  while tpm2_evictcontrol -C o -c $key "$(printf 0x%x $handle)" -Q 2>/dev/null; do handle=$((handle + 1)); done
done
stop_swtpm
import_new full full
token=full logged_in --keypairgen --key-type EC:prime256v1 --id 01
token=full logged_in --keypairgen --key-type rsa:2048 --id 02
for id in 01 02; do
  token=full public_key id=%$id pub.der
  mechanism=ECDSA-SHA256
  [ $id = 01 ] || mechanism=SHA256-RSA-PKCS
  token=full logged_in --sign -m $mechanism --signature-format openssl --id $id -i message -o signature
  openssl pkey -pubin -inform DER -in pub.der -out pub.pem
  openssl dgst -sha256 -verify pub.pem -signature signature message
done
"$VTPM_TOOL" key export-tss 'pkcs11:token=full;id=%01' --pin-file pin --output full.tss
openssl asn1parse -in full.tss >asn1
has asn1 'INTEGER +:40000001'
token=full export_to full --overwrite
start_swtpm full
[ "$(tpm2_getcap handles-persistent | wc -l)" -gt 50 ]
stop_swtpm
import --token full --directory full
token=full logged_in --sign -m ECDSA-SHA256 --id 01 -i message -o signature
token=full logged_in --delete-object --type privkey --id 01
"$VTPM_TOOL" key import-tss full.tss --token full --id 05 --pin-file pin
token=full logged_in --sign -m ECDSA-SHA256 --id 05 -i message -o signature
