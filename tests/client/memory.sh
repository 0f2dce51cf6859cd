#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# After C_Logout the memory of a process holds neither the PIN, nor the store's master key, nor a private key, nor a private
# object: every readable mapping is searched, the copies of libtpms and OpenSSL's heap included.
. "$(dirname "$0")/client.sh"
: "${VTPM_PROGRAMS:?}"

PIN='a PIN that is long enough to be looked for'
export PIN
make_token client >/dev/null
hex() { od -An -v -tx1 | tr -d ' \n'; }
openssl genrsa -traditional -out rsa.pem 2048 2>/dev/null
openssl ecparam -name prime256v1 -genkey -noout -out ec.pem
numbers() { # the INTEGERs of an RSA key: version n e d p q dp dq qinv
  openssl asn1parse -in rsa.pem | sed -n 's/.*INTEGER *:\(.*\)/\1/p' | tr 'A-F' 'a-f'
}
mapfile -t rsa < <(numbers)
scalar=$(openssl ec -in ec.pem -text -noout 2>/dev/null | sed -n '/^priv/,/^pub/p' | grep '^ ' | tr -d ' :\n' | sed 's/^00\(.\{64\}\)$/\1/')
text=$(printf 'a private text that is nowhere else in memory' | hex)
pin=$(printf '%s' "$PIN" | hex)
master=$(printf '%s' "$PIN" | "$VTPM_PROGRAMS/master_key" "$(store_of client)")
[ "${#rsa[@]}" = 9 ] && [ "${#scalar}" = 64 ] && [ "${#master}" = 64 ]

{
  echo "pin $pin"
  echo "master-key $master"
  echo "rsa-d ${rsa[3]}"
  echo "rsa-p ${rsa[4]}"
  echo "rsa-q ${rsa[5]}"
  echo "rsa-dp ${rsa[6]}"
  echo "rsa-dq ${rsa[7]}"
  echo "rsa-qinv ${rsa[8]}"
  echo "ec-scalar $scalar"
  echo "text $text"
} >patterns
{
  echo "$pin"
  for i in 1 2 3 4 5 6 7 8; do echo "${rsa[$i]}"; done
  echo "$scalar"
  echo "$text"
} >secrets

mkfifo in
# The PIN is not in the process's environment.
env -u PIN -u SO_PIN -u GNUTLS_PIN "$VTPM_PROGRAMS/secret_holder" "$VTPM_MODULE" client <in >out &
holder=$!
at_exit() { kill "$holder" 2>/dev/null || true; }
exec 3>in
cat secrets >&3
until grep -q working out || ! kill -0 "$holder" 2>/dev/null; do sleep 0.05; done
search() { "$VTPM_PROGRAMS/memory_search" "$holder" <patterns; }

section 'the search sees what is there'
search >before
for name in master-key rsa-p rsa-q ec-scalar; do has before "^$name"; done

section 'after C_Logout it is gone'
echo >&3
until grep -q out out || ! kill -0 "$holder" 2>/dev/null; do sleep 0.05; done
search >after
has_not after .
