#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A full disk, in a mount namespace of this script: writes that do not fit fail with the right return value, no existing
# object is lost, logins still work (and are counted), and deleting objects frees space.
if [ "${1:-}" != mounted ]; then
  # Root can make the namespace directly; other users make it as root of a user namespace.
  as=(--mount)
  [ "$(id -u)" -eq 0 ] || as+=(--user --map-root-user)
  # In a chroot the root is no mount point, whose propagation could be changed.
  unshare "${as[@]}" true 2>/dev/null || as+=(--propagation unchanged)
  exec unshare "${as[@]}" "$0" mounted
fi
. "$(dirname "$0")/client.sh"

mount -t tmpfs -o size=256k,mode=700 full tokens
at_exit() { umount "$scratch/tokens"; }
head -c 65536 /dev/zero >tokens/ballast
make_token client
store=$(store_of client)
head -c 2000 /dev/urandom >value
printf 'small' >small
logged_in --write-object small --type data --label kept

section 'until it is full'
written=0
while logged_in --write-object value --type data --label "object $written" >out 2>&1; do
  written=$((written + 1))
  [ "$written" -lt 1000 ]
done
[ "$written" -ge 20 ]
has out 'CKR_DEVICE_MEMORY'
echo "$written objects of 2000 bytes"

section 'what was there is there'
logged_in --list-objects --type data >list
[ "$(grep -c "'object [0-9]" list)" -eq "$written" ]
logged_in --read-object --type data --label "object $((written - 1))" -o read
cmp read value
logged_in --read-object --type data --label kept -o read
cmp read small

section 'not one byte more on the disk'
cat /dev/zero >tokens/rest 2>/dev/null || true
refused logged_in --write-object value --type data --label late
has refused.out 'CKR_DEVICE_MEMORY'
refused logged_in --keypairgen --key-type EC:prime256v1 --label late
has refused.out 'CKR_DEVICE_MEMORY'
# Each deletion first appends to the log. The free space in it is enough for a few deletions.
gone=0
while logged_in --delete-object --type data --label "object $gone" >out 2>&1; do
  gone=$((gone + 1))
  [ "$gone" -lt 18 ]
done
has out 'CKR_DEVICE_MEMORY'

section 'logins, right and wrong, are counted from the reserve'
for _ in 1 2 3; do
  refused in_token --login --pin 999999 --list-objects
  has refused.out 'CKR_PIN_INCORRECT'
done
logged_in --list-objects --type data >list
has list 'kept'

section 'room again'
rm tokens/ballast tokens/rest
logged_in --delete-object --type data --label "object $gone"
logged_in --delete-object --type data --label "object $((gone + 1))"
logged_in --write-object small --type data --label 'after all'
logged_in --list-objects --type data >list
has list 'after all'
has_not list 'late'
"$VTPM_TOOL" store check "$store"
