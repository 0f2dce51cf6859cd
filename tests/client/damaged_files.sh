#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Files that are not stores, and damaged stores: a clear return value, one line in the log that names the file, and
# the file stays as it was, byte for byte.
. "$(dirname "$0")/client.sh"

make_token client
marker='this text stands in clear in the file'
printf '%s' "$marker" >damaged
printf 'another text' >intact
logged_in --write-object damaged --type data --label damaged --application-label example
logged_in --write-object intact --type data --label intact --application-label example
good=$scratch/good.vtpm
cp "$(store_of client)" "$good"
size=$(stat -c %s "$good")
name=$(basename "$(store_of client)")
rm -rf tokens

begin() { # a directory that holds nothing but the file on standard input, under a store's name
  section "$1"
  rm -rf tokens module.log
  mkdir tokens
  cat >"tokens/$name"
  chmod 600 "tokens/$name"
  cp -p "tokens/$name" "$scratch/before"
}
unchanged() { cmp "$scratch/before" "tokens/$name"; }
look() { "$VTPM_PROGRAMS/slot_list" "$VTPM_MODULE" | tee slots; }

refuses() { # whatever is asked, this file is no token
  look
  has slots 'CKR_TOKEN_NOT_RECOGNIZED|CKR_DEVICE_ERROR'
  has_not slots 'session CKR_OK'
  has module.log "$name"
  unchanged
  refused logged_in --list-objects
  refused logged_in --keypairgen --key-type EC:prime256v1 --id 01
  # A new token gets a slot and a file of its own.
  make_token fresh >/dev/null
  look
  has slots 'token fresh .*session CKR_OK'
  unchanged
}

begin 'empty' </dev/null && refuses
begin 'one byte' < <(head -c 1 "$good") && refuses
begin 'the outermost tag alone' < <(printf '\x31\x80') && refuses
begin 'an empty set' < <(printf '\x31\x80\0\0') && refuses
begin 'cut inside the header' < <(head -c 40 "$good") && refuses
begin 'text' < <(printf 'This is not a store.\n') && refuses
begin 'a program' </bin/true && refuses
begin 'zeros' < <(head -c 65536 /dev/zero) && refuses
begin 'noise' < <(head -c 65536 /dev/urandom) && refuses
begin 'a certificate' < <(openssl req -new -x509 -newkey rsa:2048 -nodes -keyout /dev/null -subj /CN=x -outform DER 2>/dev/null) && refuses
begin 'a private key (DER of another kind)' < <(openssl genpkey -algorithm RSA -outform DER 2>/dev/null) && refuses
begin 'noise over the first half' < <(head -c $((size / 2)) /dev/urandom && tail -c $((size - size / 2)) "$good") && refuses

# A store whose end is missing has lost objects without a trace, so it is rejected.
for cut in 1 2 17 $((size / 4)) $((size / 2)) $((size * 3 / 4)) $((size - 4096)); do
  begin "the last $cut bytes are missing" < <(head -c $((size - cut)) "$good") && refuses
  has module.log 'truncated|not a store|no readable header'
done

begin 'a damaged entry costs no other' <"$good"
offset=$(grep -a -b -o -F "$marker" "tokens/$name" | head -n 1 | cut -d : -f 1)
printf 'XXXXXXXX' | dd of="tokens/$name" bs=1 seek=$((offset + 4)) conv=notrunc status=none
cp -p "tokens/$name" "$scratch/before"
look
has slots 'token client .*session CKR_OK'
in_token --read-object --type data --label intact --application-label example -o intact.out
cmp intact intact.out
in_token --read-object --type data --label damaged --application-label example -o damaged.out || rm -f damaged.out
[ ! -e damaged.out ] || cmp damaged damaged.out # the truth or nothing
has module.log "$name"
unchanged
# The store can still be written, and the damaged bytes are kept.
logged_in --keypairgen --key-type EC:prime256v1 --id 01
grep -a -q 'XXXXXXXX' tokens/*
