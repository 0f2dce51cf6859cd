#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# An unfinished copy of a store. Every command that opens it fails, says what is missing and what to do, and leaves the file
# unchanged, byte for byte. (Once, seven keys were lost without a message.)
. "$(dirname "$0")/../client/client.sh"

printf '%s\n' "$PIN" >pin
printf 'another secret\n' >fresh
printf 'a blob' >blob
tool() { "$VTPM_TOOL" "$@"; }

blobs=()
for i in 1 2 3 4 5 6 7; do blobs+=(--blob "key$i/data=blob"); done
tool store build good.vtpm --pin-file pin --so-pin-file fresh --clear-blob nic0/eeprom=blob "${blobs[@]}" >/dev/null
size=$(stat -c %s good.vtpm)
log=$(tool store dump good.vtpm --json | jq '[.entries[] | select(.state != "free") | .offset + .length] | max')

says_why() { # COMMAND ...
  cp good.cut cut.vtpm
  refused tool "$@"
  has refused.out 'cut\.vtpm is truncated: at least [0-9]+ bytes'
  has refused.out 'store repair --accept-older'
  cmp good.cut cut.vtpm
  [ "$(echo cut.vtpm*)" = cut.vtpm ] || { echo "there is more than the store: $(echo cut.vtpm*)"; return 1; }
  [ ! -e out ] || { echo "$* has left a file"; return 1; }
}

for cut in $((log - 700)) $((log - 40)) "$log" $((log + 2)) $((log + 4)) $((log + 20)) $((size - 1)); do
  section "$cut of $size bytes are left"
  head -c "$cut" good.vtpm >good.cut
  says_why store compact cut.vtpm
  says_why store repair cut.vtpm
  says_why store repair cut.vtpm --as user --pin-file pin
  says_why store add ./cut.vtpm --pin-file pin --blob new/data=blob
  says_why store extract ./cut.vtpm nic0/eeprom --output out
  says_why store export ./cut.vtpm --fixed out --pin-file pin
  says_why keyslot list ./cut.vtpm
  says_why keyslot add-key ./cut.vtpm --pin-file pin --new-pin-file fresh
  says_why keyslot change ./cut.vtpm --pin-file pin --new-pin-file fresh
  says_why keyslot del-key ./cut.vtpm --pin-file pin --old-pin-file fresh
  says_why keyslot rekey ./cut.vtpm --pin-file pin --yes
  cp good.cut cut.vtpm
  status=0
  tool store check cut.vtpm --as user --pin-file pin >check.out 2>&1 || status=$?
  [ "$status" -eq 3 ]
  has check.out 'is truncated'
  cmp good.cut cut.vtpm
done

section 'its owner keeps what is left'
tool store repair --accept-older cut.vtpm
tool store check cut.vtpm --as user --pin-file pin
tool store add ./cut.vtpm --pin-file pin --blob new/data=blob >/dev/null
tool store extract ./cut.vtpm key7/data --pin-file pin | cmp - blob
