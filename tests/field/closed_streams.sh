#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# vtpm-token started by a service that has closed its standard streams: only its output is lost.
. "$(dirname "$0")/../client/client.sh"
: "${VTPM_TOOL:?}"

sed -i 's|^log = .*|log = "stderr"|' "$VTPM_PKCS11_CONF"
(umask 077 && printf '%s' "$PIN" >pin && printf '%s\n' "$SO_PIN" >so-pin)
"$VTPM_TOOL" init --label client --so-pin-file so-pin --pin-file pin 2>/dev/null
logged_in --keypairgen --key-type EC:prime256v1 --id 01 --label ec 2>/dev/null
store=$(echo tokens/*.vtpm)

# closed STREAMS COMMAND…: runs the command with these streams closed. The exit status is the command's, or reports that
# it could not print.
closed() {
  local streams=$1
  shift
  (
    for number in $streams; do eval "exec $number>&-"; done
    "$@"
  ) || return 0
}

size=$(stat -c %s "$store")
for streams in 0 1 2 '0 1' '1 2' '0 1 2'; do
  section "closed: $streams"
  closed "$streams" "$VTPM_TOOL" list
  closed "$streams" "$VTPM_TOOL" attest quote --token client --pin-file pin --nonce 0011223344556677 --output quote.json
  closed "$streams" "$VTPM_TOOL" attest key 'pkcs11:token=client;object=ec' --pin-file pin --nonce 00 --output key.json
  closed "$streams" "$VTPM_TOOL" attest quote --token client --pin-file so-pin --nonce 00
  closed "$streams" "$VTPM_TOOL" attest quote --token client --pin-file pin --nonce 00 --output quote.json
  [ "$(stat -c %s "$store")" = "$size" ] || {
    echo "something was printed behind the end of $store"
    exit 1
  }
  "$VTPM_TOOL" store check "$store" 2>/dev/null | tee check.out
  has check.out 'are in order'
  for file in quote.json key.json; do
    [ ! -e $file ] || jq -e . <$file >/dev/null
    rm -f $file
  done
done
logged_in --sign --mechanism ECDSA --id 01 --input-file /dev/null --output-file signature 2>/dev/null
[ -z "$(find tokens -name '*.quarantine')" ]
