#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A user makes, names, finds, renames and deletes tokens with vtpm-token, and keeps copies of them.
. "$VTPM_SOURCE/tests/client/client.sh"
: "${VTPM_TOOL:?}"
(umask 077 && printf '%s' "$PIN" >pin && printf '%s' "$SO_PIN" >so-pin && printf 'wrong-pin' >wrong)
init() { "$VTPM_TOOL" init --label "$1" --so-pin-file so-pin --pin-file pin --json; }
serial_of() { "$VTPM_TOOL" list --json | jq -r --arg name "$1" '.[] | select(.label == $name and .slot != null) | .serial'; }
opens() { "$VTPM_TOOL" keyslot list "$1" --json >keyslots && jq -r .file keyslots; } # NAME: the file that it means

section 'eight at once make eight tokens'
for i in 1 2 3 4 5 6 7 8; do init "token $i" >"init.$i" & done
wait
jq -r .slot init.? | sort -n | uniq | wc -l | grep -qx 8
"$VTPM_TOOL" list --json | jq -e '[.[] | select(.state == "ready")] | length == 8'
[ "$(find tokens -name '*.vtpm' | wc -l)" = 8 ]

section 'labels that look like something else'
rm -rf tokens
init 'mail/work' >/dev/null
mail=$(serial_of mail/work)
init 'old.vtpm' >/dev/null
init "$mail" >/dev/null # a label that is another token's serial number
third=$("$VTPM_TOOL" list --json | jq -r --arg name "$mail" '.[] | select(.label == $name) | .serial')
[ "$(opens mail/work)" = "$scratch/tokens/$mail.vtpm" ]
[ "$(opens old.vtpm)" = "$scratch/tokens/$(serial_of old.vtpm).vtpm" ]
[ "$(opens "$mail")" = "$scratch/tokens/$mail.vtpm" ]
[ "$(opens "pkcs11:token=$mail")" = "$scratch/tokens/$third.vtpm" ]
mkdir mail && cp "tokens/$third.vtpm" mail/work
[ "$(opens ./mail/work)" = ./mail/work ]
[ "$(opens mail/work)" = "$scratch/tokens/$mail.vtpm" ]
cp "tokens/$third.vtpm" other.vtpm
[ "$(opens other.vtpm)" = other.vtpm ]

section 'a renamed store works in the tool too'
rm -rf tokens && init work >/dev/null
work=$(serial_of work)
mv "tokens/$work.vtpm" 'tokens/of the old machine.vtpm'
[ "$(opens work)" = "$scratch/tokens/of the old machine.vtpm" ]
"$VTPM_TOOL" attest quote --token work --pin-file pin --output quote.json
mv 'tokens/of the old machine.vtpm' "tokens/$work.vtpm"

section 'list shows directory, file, state and reason'
cp "tokens/$work.vtpm" tokens/backup.vtpm
echo rubbish >tokens/rubbish.vtpm
"$VTPM_TOOL" list | tee list.out
has list.out "^Store directory: $scratch/tokens"
has list.out '^- +'"$work"' +copy +work +backup.vtpm'
has list.out 'backup.vtpm is a copy of the token'
has list.out 'unreadable .*rubbish.vtpm'
has list.out 'rubbish.vtpm is not a store'
"$VTPM_TOOL" list --json | jq -e --arg dir "$scratch/tokens" 'all(.directory == $dir) and
  any(.state == "copy" and .file == $dir + "/backup.vtpm" and (.reason | length > 0)) and
  any(.state == "unreadable" and .file == $dir + "/rubbish.vtpm" and (.reason | length > 0))'
has module.log 'backup.vtpm is a copy'
rm tokens/rubbish.vtpm

section 'delete and reinit name the copy and refuse'
sha256sum tokens/* >sums
refused "$VTPM_TOOL" delete work --yes
has refused.out 'tokens/backup.vtpm'
refused "$VTPM_TOOL" delete "tokens/$work.vtpm" --yes
refused "$VTPM_TOOL" reinit work --so-pin-file so-pin
has refused.out 'tokens/backup.vtpm'
refused "$VTPM_TOOL" delete work </dev/null
sha256sum -c --quiet sums
"$VTPM_TOOL" keyslot add-key work --pin-file pin --role keyfile --new-key-file so-pin # by label: never the copy
cp tokens/backup.vtpm backup.before
"$VTPM_TOOL" keyslot list work --json | jq -e '.slots | length == 3'
cmp backup.before tokens/backup.vtpm
"$VTPM_TOOL" delete tokens/backup.vtpm --yes --json | jq -e '.deleted == "tokens/backup.vtpm"'
[ -e "tokens/$work.vtpm" ] && [ ! -e tokens/backup.vtpm ]

section 'rename'
refused "$VTPM_TOOL" rename work office --pin-file wrong
"$VTPM_PROGRAMS/stays_open" "$VTPM_MODULE" work <(until [ -e go ]; do sleep 0.05; done) >open.out &
watcher=$!
for _ in $(seq 400); do grep -q ready open.out && break; sleep 0.05; done
"$VTPM_TOOL" rename work office --pin-file pin --json | jq -e '.label == "office" and .before == "work"'
[ "$(serial_of office)" = "$work" ]
[ -z "$(serial_of work)" ]
"$VTPM_TOOL" store check "tokens/$work.vtpm" --pin-file pin
touch go && wait "$watcher"
has open.out 'label office'

section 'reinit: the rules of C_InitToken'
token=office logged_in --keypairgen --key-type EC:prime256v1 --id 01
refused "$VTPM_TOOL" reinit office --so-pin-file wrong
has refused.out 'PIN is wrong'
before=$("$VTPM_TOOL" list --json | jq '.[] | select(.label == "office") | .slot')
"$VTPM_TOOL" reinit office --label fresh --so-pin-file so-pin --pin-file pin --json | jq -e --argjson slot "$before" '.slot == $slot and .user_pin'
[ "$(serial_of fresh)" = "$work" ]
token=fresh logged_in --list-objects --type privkey >objects
has_not objects 'ID: +01'

section 'delete: other processes find the token removed'
rm go
"$VTPM_PROGRAMS/stays_open" "$VTPM_MODULE" fresh <(until [ -e go ]; do sleep 0.05; done) >open.out &
watcher=$!
for _ in $(seq 400); do grep -q ready open.out && break; sleep 0.05; done
"$VTPM_TOOL" delete fresh --yes
[ ! -e "tokens/$work.vtpm" ]
touch go && wait "$watcher"
has open.out 'CKR_DEVICE_REMOVED|0x00000032' # p11-kit has no name for it

section 'a link, as Kubernetes mounts a secret, is read and not written'
init mounted >/dev/null
name=$(serial_of mounted).vtpm
mkdir tokens/..1 && mv "tokens/$name" tokens/..1/ && ln -s ..1 tokens/..data && ln -s "..data/$name" "tokens/$name"
sha256sum "tokens/..1/$name" >sums
"$VTPM_TOOL" list --json | jq -e 'any(.label == "mounted" and .state == "read-only" and (.leads_to | length > 0))'
"$VTPM_TOOL" keyslot list mounted
refused "$VTPM_TOOL" rename mounted other --pin-file pin
refused "$VTPM_TOOL" reinit mounted --so-pin-file so-pin
refused "$VTPM_TOOL" keyslot add-key mounted --pin-file pin --role keyfile --new-key-file so-pin
sha256sum -c --quiet sums

section 'a directory that cannot be read is said to be so'
rm -rf tokens && ln -s tokens tokens
"$VTPM_TOOL" list | tee list.out
has list.out 'cannot read the store directory .*/tokens'
refused init another
has refused.out 'cannot read the store directory'
