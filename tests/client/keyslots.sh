#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# vtpm-token keyslot changes the secrets that open a token, and PKCS#11 sees the changes. qemu-img amend, whose design
# the table of states comes from, applies the same sequence of states to a LUKS image.
. "$(dirname "$0")/client.sh"
: "${VTPM_TOOL:?}"
umask 077
slots() { "$VTPM_TOOL" keyslot list client --json | jq -r '[.slots[] | "\(.keyslot):\(.role)"] | join(" ")'; }
user() { printf '%s' "$1" >unlock; }                         # the secret that opens the store from here on
keyslot() { "$VTPM_TOOL" keyslot "$1" client --pin-file unlock "${@:2}"; }
logs_in() { PIN=$1 logged_in --list-objects --type data >/dev/null 2>&1; }
can_not() { refused env PIN="$1" pkcs11-tool --module "$VTPM_MODULE" --token-label client --login --pin env:PIN --list-objects; }

make_token client >/dev/null
user "$PIN"
printf 'kept' >text
logged_in --write-object text --type data --label text --application-label example >/dev/null
[ "$(slots)" = '1:so 2:user' ]

section 'add-key: another PIN, a key file, a recovery phrase'
printf 'a second PIN' >second
keyslot add-key --new-pin-file second
logs_in 'a second PIN'
head -c 3000 /dev/urandom >key
keyslot add-key --role keyfile --new-key-file key --keyslot 9
keyslot add-key --role recovery --generate | tee phrase.out
phrase=$(grep -o -E '([0-9A-Z]{5}-){5}[0-9A-Z]{5}' phrase.out)
[ "$(slots)" = '1:so 2:user 3:user 4:recovery 9:keyfile' ]
logs_in "$phrase"
logs_in "$(tr 'A-Z-' 'a-z ' <<<"$phrase")"
"$VTPM_TOOL" keyslot list client | tee list.out
has list.out '4 +recovery +argon2id, 8192 KiB'
has_not list.out "$phrase"
keyslot add-key --kdf pbkdf2 --iter-time 20 --new-pin-file <(printf 'stretched otherwise') --keyslot 20
"$VTPM_TOOL" keyslot list client --json | jq -e '.slots[] | select(.keyslot == 20) | .kdf | startswith("pbkdf2, ")'
logs_in 'stretched otherwise'

section 'a key file opens the store, whole and only whole'
"$VTPM_TOOL" keyslot add-key client --key-file key --new-pin-file <(printf 'by the key file') --keyslot 10
logs_in 'by the key file'
head -c 2999 key >shorter
refused "$VTPM_TOOL" keyslot add-key client --key-file shorter --new-pin-file second
has refused.out 'opens no key slot of the role keyfile'

section 'a typo in the phrase is found, and costs nothing'
case $phrase in
  X*) printf 'Y%s' "${phrase:1}" >typo ;;
  *) printf 'X%s' "${phrase:1}" >typo ;;
esac
refused "$VTPM_TOOL" keyslot add-key client --pin-file typo --new-pin-file second
has refused.out 'mistyped in its group 1; nothing was tried'

section 'change: the slot that opened the store'
printf 'changed' >changed
printf 'a second PIN' >unlock
keyslot change --new-pin-file changed
can_not 'a second PIN'
logs_in changed
printf '%s' "$phrase" >unlock
keyslot change --generate --json >change.out
can_not "$phrase"
logs_in "$(jq -r .phrase change.out)"
user "$PIN"
refused keyslot change --generate
has refused.out 'does not hold one'

section 'del-key: by slot, by secret, by file'
keyslot del-key --keyslot 20
can_not 'stretched otherwise'
keyslot del-key --old-pin-file changed
can_not changed
keyslot del-key --old-key-file key
keyslot del-key --keyslot 10
keyslot del-key --keyslot 4
keyslot del-key --keyslot 4 | tee again.out
has again.out 'inactive already'
[ "$(slots)" = '1:so 2:user' ]
refused keyslot del-key --keyslot 1
has refused.out "last key slot of the security officer"
refused keyslot del-key --keyslot 33
has refused.out 'there is no key slot 33'
in_token --login --pin env:PIN --read-object --type data --label text --application-label example -o text.out
cmp text text.out
"$VTPM_TOOL" store check "$(store_of client)"

section 'errors name the thing and change nothing'
"$VTPM_TOOL" keyslot list client --json >before.json
refused "$VTPM_TOOL" keyslot add-key client --new-pin-file second </dev/null
refused keyslot add-key --new-pin-file <(printf 'abc')
has refused.out '4 to 255 bytes'
refused keyslot add-key --role user --generate
has refused.out 'recovery'
refused keyslot add-key --role keyfile
has refused.out 'key file is needed'
refused keyslot add-key --role keyfile --new-key-file /dev/null
has refused.out 'is empty'
refused keyslot add-key --new-pin second
refused "$VTPM_TOOL" keyslot list no-such-token
has refused.out 'no-such-token'
refused "$VTPM_TOOL" keyslot frobnicate
amend() { keyslot amend --input <(printf '%s' "$1"); }
refused amend 'not JSON, a secret'
has refused.out 'not a JSON object'
has_not refused.out 'a secret'
refused amend '{"keyslot": 3}'
refused amend '{"state": "on"}'
has refused.out '"on"'
refused amend '{"state": "active", "secret": "xxxx", "keyslot": -1}'
refused amend '{"state": "active", "secret": "xxxx", "key-slot": 3}'
has refused.out "'key-slot' is not a field"
refused amend '{"state": "active"}'
has refused.out 'needs a secret'
"$VTPM_TOOL" keyslot list client --json | cmp before.json

section 'secrets come from a systemd credential as well'
mkdir credentials
printf '%s' "$PIN" >credentials/vtpm.user-pin
printf 'from a credential' >credentials/vtpm.new-pin
CREDENTIALS_DIRECTORY=$scratch/credentials "$VTPM_TOOL" keyslot add-key client --keyslot 5
logs_in 'from a credential'
keyslot del-key --keyslot 5

section 'the same desired states here and by qemu-img amend'
with_free_slot p11 --init-token --slot "$(free_slot)" --label luks --so-pin env:SO_PIN >/dev/null
printf '%s' "$SO_PIN" >secret.a
printf 'bbbbbbbb' >secret.b
printf 'cccccccc' >secret.c
objects=()
for name in a b c; do objects+=(--object "secret,id=$name,file=$scratch/secret.$name"); done
# qemu-img gives up when it cannot measure its KDF, which says nothing about key slots.
measured() { # COMMAND...
  local status=0
  for _ in 1 2 3 4 5; do
    status=0
    "$@" >measured.out 2>&1 || status=$?
    grep -q 'Unable to get accurate CPU usage' measured.out || break
  done
  cat measured.out
  return "$status"
}
measured qemu-img create -q "${objects[@]}" -f luks -o key-secret=a,iter-time=10 image 1M
# Prints the result of a step: "ok" or "refused", and the active key slots, counted from 0 on both sides.
ours() { # JSON
  local outcome=ok
  "$VTPM_TOOL" keyslot amend luks --as so --pin-file secret.a --input <(printf '%s' "$1") >ours.out 2>&1 || outcome=refused
  echo "$outcome $("$VTPM_TOOL" keyslot list luks --json | jq -c '[.slots[].keyslot - 1]')"
}
theirs() { # OPTIONS
  local outcome=ok
  measured qemu-img amend "${objects[@]}" --image-opts driver=luks,key-secret=a,file.filename=image -o "$1" >theirs.out 2>&1 || outcome=refused
  echo "$outcome $(qemu-img info --output json -f luks image | jq -c '[."format-specific".data.slots | to_entries[] | select(.value.active) | .key]')"
}
number=0
step() { # EXPECTED QEMU'S OURS: both do the same
  number=$((number + 1))
  local here there
  there=$(theirs "$2")
  here=$(ours "$3")
  [ "$here" = "$1" ] && [ "$there" = "$1" ] || {
    echo "step $number: expected $1, here $here, qemu-img $there"
    cat ours.out theirs.out
    return 1
  }
}
step 'refused [0]' state=inactive,keyslot=0 '{"state": "inactive", "keyslot": 1}'                        # the last slot
step 'refused [0]' state=inactive,old-secret=a "{\"state\": \"inactive\", \"old-secret\": \"$SO_PIN\"}"  # the last, by secret
step 'ok [0,2]' state=active,new-secret=b,keyslot=2,iter-time=10 '{"state": "active", "secret": "bbbbbbbb", "keyslot": 3}'
step 'refused [0,2]' state=active,new-secret=c,keyslot=2,iter-time=10 '{"state": "active", "secret": "cccccccc", "keyslot": 3}'
step 'ok [0,1,2]' state=active,new-secret=c,iter-time=10 '{"state": "active", "secret": "cccccccc"}' # the system picks
step 'refused [0,1,2]' state=inactive,keyslot=1,old-secret=b '{"state": "inactive", "keyslot": 2, "old-secret": "bbbbbbbb"}'
step 'refused [0,1,2]' state=inactive,keyslot=5,old-secret=b '{"state": "inactive", "keyslot": 6, "old-secret": "bbbbbbbb"}'
step 'ok [0,2]' state=inactive,keyslot=1,old-secret=c '{"state": "inactive", "keyslot": 2, "old-secret": "cccccccc"}'
step 'refused [0,2]' state=inactive,old-secret=c '{"state": "inactive", "old-secret": "cccccccc"}'
step 'ok [0,1,2]' state=active,new-secret=b,iter-time=10 '{"state": "active", "secret": "bbbbbbbb"}'
step 'ok [0]' state=inactive,old-secret=b '{"state": "inactive", "old-secret": "bbbbbbbb"}' # every slot that holds it
step 'ok [0,4]' state=active,new-secret=c,keyslot=4,iter-time=10 '{"state": "active", "secret": "cccccccc", "keyslot": 5}'
step 'ok [0]' state=inactive,keyslot=4 '{"state": "inactive", "keyslot": 5}'
step 'refused [0]' state=inactive '{"state": "inactive"}'
# If the state is already the desired one, the design changes nothing and succeeds; qemu-img fails. Neither side
# changes.
[ "$(ours '{"state": "inactive", "keyslot": 5}')" = 'ok [0]' ]
[ "$(theirs state=inactive,keyslot=4)" = 'refused [0]' ]
# The table is full: no key slot is free.
for _ in 1 2 3 4 5 6 7; do theirs state=active,new-secret=b,iter-time=10 >/dev/null; done
[ "$(theirs state=active,new-secret=b,iter-time=10)" = 'refused [0,1,2,3,4,5,6,7]' ]
for _ in $(seq 31); do ours '{"state": "active", "secret": "bbbbbbbb"}' >/dev/null; done
[ "$(ours '{"state": "active", "secret": "bbbbbbbb"}')" = "refused $(seq 0 31 | jq -s -c .)" ]
has ours.out 'all 32 key slots are in use'
