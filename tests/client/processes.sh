#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A process sees what another has committed at its next call, without C_Finalize and without a new session.
. "$(dirname "$0")/client.sh"

make_token client
"$VTPM_PROGRAMS/wait_for_label" "$VTPM_MODULE" client 'made elsewhere' >watcher.out &
watcher=$!
for _ in $(seq 200); do
  grep -q ready watcher.out && break
  sleep 0.05
done
has watcher.out ready
has_not watcher.out found
logged_in --keypairgen --key-type EC:prime256v1 --id 01 --label 'made elsewhere'
wait "$watcher"
has watcher.out found

section 'slots and serial numbers stay when tokens are added'
p11 --list-token-slots | grep -E '^Slot|serial num' | head -n 2 >before
make_token second
make_token third
p11 --list-token-slots | grep -E '^Slot|serial num' >after
head -n 2 after | cmp - before
[ "$(grep -c "serial num" after)" -eq 3 ]
[ -n "$(free_slot)" ]
