#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# kill -9 at random moments of a key-generating loop: no key is lost whose C_GenerateKeyPair had returned CKR_OK, no
# half of a pair exists alone, and every ASN.1 tool can read the file.
. "$(dirname "$0")/client.sh"
# tests/store kills a thousand writers of the store; each of these is a process with a TPM.
kills=100
[ -z "${VTPM_TEST_LONG:-}" ] || kills=5000

seed=${VTPM_TEST_SEED:-$RANDOM}
echo "VTPM_TEST_SEED=$seed repeats the moments"
RANDOM=$seed
confirmed=0 token=''

# until_longer FILE LINES PROCESS: until the file has more lines, or the process is gone
until_longer() {
  while [ "$(wc -l <"$1")" -le "$2" ] && kill -0 "$3" 2>/dev/null; do sleep 0.005; done
}

for ((kill = 0; kill < kills; kill++)); do
  # The test makes a new token from time to time, because a growing log would make each round slower.
  if ((kill % 20 == 0)); then
    token=token$kill
    make_token "$token" >/dev/null 2>&1
    : >said
  fi
  before=$(wc -l <said)
  "$VTPM_PROGRAMS/key_loop" "$VTPM_MODULE" "$token" >>said 2>errors &
  victim=$!
  # Every other process is killed after its first key, however slow the host is; the others at any time from the start
  # on.
  if ((kill % 2)); then until_longer said "$before" $victim; fi
  sleep "$(printf '0.%03d' $((RANDOM % 100)))"
  kill -KILL $victim 2>/dev/null || true
  # Status 137 is the kill; any other status is a failure of the loop.
  status=0
  wait $victim 2>/dev/null || status=$?
  [ $status -eq 137 ] || {
    cat errors
    echo "key_loop ended by itself with status $status"
    exit 1
  }
  "$VTPM_PROGRAMS/key_list" "$VTPM_MODULE" "$token" | sort >there
  sort said >wanted
  comm -23 wanted there >lost
  [ ! -s lost ] || {
    echo "lost after kill $kill:"
    cat lost
    exit 1
  }
  if ((kill % 20 == 19)); then
    openssl asn1parse -inform DER -in "$(store_of "$token")" >/dev/null
    confirmed=$((confirmed + $(wc -l <said)))
  fi
done
echo "$kills kills, $confirmed keys confirmed, none lost"
# A run in which nothing was generated before the kill would prove nothing.
[ "$confirmed" -ge $((kills / 2)) ]
