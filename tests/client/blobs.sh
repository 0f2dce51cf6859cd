#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# vtpm-token store build, add, extract: a store of prepared blobs, for devices that are not tokens.
. "$(dirname "$0")/client.sh"
: "${VTPM_TOOL:?}"
store() { "$VTPM_TOOL" store "$@"; }
files() { find . -type f ! -name refused.out | sort; }
# The command must fail with a message that matches PATTERN, and must leave no file behind.
nothing_made() { # PATTERN COMMAND…
  local before after pattern=$1
  shift
  before=$(files)
  refused "$@"
  has refused.out "$pattern"
  after=$(files)
  [ "$before" = "$after" ] || {
    echo "left behind: $after"
    return 1
  }
}

# dumpasn1 reports canonical lengths that begin with nine one bits as non-canonical, as if they were INTEGERs. Debian 13
# does not have it.
others_read() { # STORE
  openssl asn1parse -inform DER -in "$1" >/dev/null
  if ! command -v dumpasn1 >/dev/null; then
    unber -p "$1" >/dev/null
    return
  fi
  dumpasn1 -e -o "$1" >dumped 2>&1 || [ "$(grep 'rror:' dumped | grep -vc "Length '82 FF ")" = 0 ]
  rm dumped
}

(umask 077 && printf '%s' "$PIN" >pin && printf '%s\n' "$SO_PIN" >so-pin && printf '000102030405060708090a0b0c0d0e0f' >key)
cp "$VTPM_SOURCE/tests/data/tpm_permall.bin" permall
printf 'RT\0\0224V' >mac
printf 'chassis 4711' >chassis
head -c 10000 /dev/urandom >disk
: >empty

section 'three devices in one file, under a PIN; sizes worked out'
store build one.vtpm --blob tpm0/permall::64k=permall --blob nic0/eeprom:eeprom:256=mac --clear-blob vpd0/chassis:vpd=chassis \
  --pin-file pin --so-pin-file so-pin | tee build.out
has build.out '^ +1989 +65536 +6[0-9]+  sealed  tpm2-permall +tpm0/permall'
has build.out '^ +6 +256 +[0-9]+  sealed  eeprom +nic0/eeprom'
has build.out '^ +12 +- +[0-9]+  clear   vpd +vpd0/chassis'
has build.out 'one.vtpm: 3 blobs take [0-9]+ bytes of [0-9]+, [0-9]+ are free'
[ "$(stat -c %a one.vtpm)" = 600 ]
[ "$(stat -c %s one.vtpm)" = "$(sed -n 's/.* of \([0-9]*\), .*/\1/p' build.out)" ]
others_read one.vtpm
store check one.vtpm
store dump one.vtpm --json | jq -e '[.entries[] | select(.name == "nic0/eeprom") | .attributes[] | select(.name == "capacity").value] == ["256"]'
for name in tpm0/permall:permall nic0/eeprom:mac; do
  store extract one.vtpm "${name%:*}" --pin-file pin | cmp - "${name#*:}"
done
store extract one.vtpm vpd0/chassis --output copy # a clear one needs no key
cmp copy chassis
[ "$(stat -c %a copy)" = 600 ]
"$VTPM_TOOL" keyslot list one.vtpm | grep -c -E ' (so|user) ' | grep -q '^2$'

section 'a device is added, and the store grows'
before=$(stat -c %s one.vtpm)
store add one.vtpm --blob disk0/nvram::50k=disk --pin-file pin --json | jq -e '.blobs == [{name: "disk0/nvram", type: "blob", sealed: true, size: 10000, capacity: 51200, octets: .blobs[0].octets, worst_case: .blobs[0].octets}]'
[ "$(stat -c %s one.vtpm)" -gt "$before" ]
store extract one.vtpm disk0/nvram --pin-file pin | cmp - disk
head -c 51200 /dev/urandom >disk
store add one.vtpm --replace --blob disk0/nvram=disk --pin-file pin
store extract one.vtpm disk0/nvram --pin-file pin | cmp - disk
store check one.vtpm

section 'what does not fit, or clashes, changes nothing'
head -c 51201 /dev/urandom >longer
nothing_made 'registered with room for 51200 bytes' store add one.vtpm --replace --blob disk0/nvram=longer --pin-file pin
nothing_made "is in .*one.vtpm already" store add one.vtpm --blob nic0/eeprom:eeprom=mac --pin-file pin
nothing_made 'is of the type eeprom, not blob: give it as nic0/eeprom:eeprom=mac' store add one.vtpm --replace --blob nic0/eeprom=mac --pin-file pin
nothing_made "is reserved for the store" store add one.vtpm --blob keyslot/9=mac --pin-file pin
nothing_made 'opens no key slot of the role user' store add one.vtpm --blob nic1/eeprom=mac --pin-file so-pin
nothing_made "no 'nic7/eeprom'" store extract one.vtpm nic7/eeprom --pin-file pin
store extract one.vtpm nic0/eeprom --pin-file pin | cmp - mac
store check one.vtpm

section 'a raw key, and no key at all'
store build raw.vtpm --blob nic0/eeprom=mac --key-file key
store extract raw.vtpm nic0/eeprom --key-file key | cmp - mac
"$VTPM_TOOL" keyslot list raw.vtpm | grep aes-cbc
store build clear.vtpm --cipher none --blob nic0/eeprom=mac --blob empty::16=empty
store extract clear.vtpm nic0/eeprom | cmp - mac
store extract clear.vtpm empty | cmp - empty
store add clear.vtpm --blob vpd0/chassis=chassis
nothing_made 'is clear text: leave the key out' store add clear.vtpm --blob nic1/eeprom=mac --key-file key
nothing_made 'its key is missing' store add raw.vtpm --blob nic1/eeprom=mac

section 'a description'
mkdir inputs
cp mac chassis inputs/
cat >inputs/devices.json <<'JSON'
{"blobs": [
  {"name": "nic0/eeprom", "type": "urn:example:eeprom=1", "capacity": "1k", "file": "mac"},
  {"name": "vpd:0/chassis", "type": "2d4b1c6e-7d0c-4f0e-9a51-0d2f3c8a6b17", "capacity": 100, "file": "chassis", "sealed": false}
]}
JSON
store build described.vtpm --description inputs/devices.json --pin-file pin --kdf pbkdf2 --iter-time 10 --json |
  jq -e '[.blobs[] | [.name, .type, .capacity, .sealed]] == [["nic0/eeprom", "urn:example:eeprom=1", 1024, true], ["vpd:0/chassis", "2d4b1c6e-7d0c-4f0e-9a51-0d2f3c8a6b17", 100, false]]'
store extract described.vtpm vpd:0/chassis | cmp - chassis
sed 's/"sealed": false/"seal": false/' inputs/devices.json >inputs/typo.json
nothing_made 'blobs\[1\].seal is not known' store build x.vtpm --description inputs/typo.json --pin-file pin
printf '{"blobs": {}}' >inputs/wrong.json
nothing_made 'is not a description of blobs' store build x.vtpm --description inputs/wrong.json --pin-file pin
jq '.blobs[0].capacity = 5' inputs/devices.json >inputs/small.json
nothing_made 'has 6 bytes, which exceeds the capacity of .* \(5 bytes\)' store build x.vtpm --description - --pin-file pin <inputs/small.json

section 'what is refused leaves no file'
nothing_made 'exists already' store build one.vtpm --blob a=mac --pin-file pin
nothing_made 'cannot open no-such-file' store build x.vtpm --blob a=no-such-file --pin-file pin
nothing_made 'not "a"' store build x.vtpm --blob a --pin-file pin
nothing_made 'not "ten"' store build x.vtpm --blob a:b:ten=mac --pin-file pin
nothing_made 'at least one byte' store build x.vtpm --blob a:b:0=mac --pin-file pin
nothing_made "'a' is given twice" store build x.vtpm --blob a=mac --clear-blob a=mac --pin-file pin
nothing_made 'no blob is given' store build x.vtpm --pin-file pin
nothing_made 'which exceeds the capacity of .a. \(3 bytes\)' store build x.vtpm --blob a:b:3=mac --pin-file pin
nothing_made '16 MiB' store build x.vtpm --blob a:b:16M=mac --pin-file pin
nothing_made 'but the store is to be clear text' store build x.vtpm --blob a=mac --cipher none --key-file key
nothing_made 'excludes' store build x.vtpm --blob a=mac --key-file key --pin-file pin
nothing_made '128, 192 or 256 bits' store build x.vtpm --blob a=mac --key-file mac --key-format binary
nothing_made '4 to 255 bytes|its first line is empty' store build x.vtpm --blob a=mac --pin-file empty
nothing_made 'cannot' store build no-directory/x.vtpm --blob a=mac --pin-file pin

section 'a TPM state is tried before it is trusted'
head -c 1000 permall >cut.state
nothing_made "cut.state cannot be 'tpm0/permall'" store build x.vtpm --blob tpm0/permall=cut.state --pin-file pin
nothing_made "disk cannot be 'tpm0/permall'" store build x.vtpm --blob tpm0/permall=disk --pin-file pin
nothing_made 'suspended TPM' store build x.vtpm --blob tpm0/volatile=mac --pin-file pin
nothing_made 'suspended TPM' store build x.vtpm --blob tpm0/permall=permall --blob tpm1/savestate=mac --pin-file pin
store build tpm.vtpm --blob tpm0/permall=permall --blob tpm0/volatile=mac --pin-file pin
nothing_made "'tpm0/volatile' in .* belongs to the 'tpm0/permall'" store add tpm.vtpm --replace --blob tpm0/permall=permall --pin-file pin
store add tpm.vtpm --replace --blob tpm0/permall=permall --blob tpm0/volatile=mac --pin-file pin
# The file as swtpm writes it: a header and a field around the same bytes.
{ printf '\2\1\0\12\0\0\0\0\7\325\0\1\0\0\7\305' && cat permall; } >of-swtpm
store build swtpm.vtpm --blob tpm0/permall=of-swtpm --pin-file pin
store extract swtpm.vtpm tpm0/permall --pin-file pin | cmp - permall

section 'the fixed-capacity layout and back'
store export one.vtpm --fixed one.fixed --room vpd0/chassis=100 --pin-file pin
others_read one.fixed
nothing_made 'fixed-capacity layout.*vtpm-token store import' store check one.fixed
nothing_made 'fixed-capacity layout' store dump one.fixed
store import one.fixed back.vtpm
store check back.vtpm
for name in tpm0/permall:permall nic0/eeprom:mac disk0/nvram:disk; do
  store extract back.vtpm "${name%:*}" --pin-file pin | cmp - "${name#*:}"
done
"$VTPM_TOOL" keyslot list back.vtpm | grep -c -E ' (so|user) ' | grep -q '^2$'
store export clear.vtpm --fixed clear.fixed --json | jq -e '.fixed == "clear.fixed"'
store import clear.fixed clear-back.vtpm --json | jq -e '.findings == []'
store extract clear-back.vtpm vpd0/chassis | cmp - chassis
nothing_made 'exists already' store export one.vtpm --fixed one.fixed --pin-file pin
nothing_made 'exists already' store import one.fixed back.vtpm
nothing_made 'it is a store already' store import back.vtpm other.vtpm
nothing_made 'not "vpd0/chassis"' store export one.vtpm --fixed other.fixed --room vpd0/chassis --pin-file pin
nothing_made "cannot be left for 'nic0/eeprom'" store export one.vtpm --fixed other.fixed --room nic0/eeprom=1k --pin-file pin
# One of the two entries is damaged, which may be the newer one.
place=$(grep -a -b -o -F vpd0/chassis one.fixed | tail -n 1 | cut -d : -f 1)
printf 'XXXX' | dd of=one.fixed bs=1 seek=$((place - 30)) conv=notrunc status=none
nothing_made "one of the two entries of 'vpd0/chassis' is damaged" store import one.fixed other.vtpm
store import one.fixed other.vtpm --accept-older | grep 'the other entry'
store extract other.vtpm vpd0/chassis | cmp - chassis

section "a token's own blobs are its own"
"$VTPM_TOOL" init --label client --so-pin-file so-pin --pin-file pin
nothing_made "belongs to the token" store add "$(store_of client)" --replace --blob tpm0/permall=permall --pin-file pin
store add "$(store_of client)" --blob nic0/eeprom=mac --pin-file pin
in_token --login --pin env:PIN --list-objects >/dev/null
