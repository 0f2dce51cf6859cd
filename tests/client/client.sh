# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The basis of every client test: a scratch directory, a configuration with a cheap KDF, a token, and the end of the module's log
# if the test fails. Sourced; a test is a sequence of commands under `set -e`.
#
# From ctest: VTPM_MODULE, VTPM_TOOL, VTPM_PROGRAMS (directory of the small programs beside this file), VTPM_SOURCE.
# Another PKCS#11 module shows whether a failure is the test's or the module's own:
#   VTPM_MODULE=/usr/lib/softhsm/libsofthsm2.so tests/client/ssh.sh
# Such a run does not need the build of this project; parts that only this module supports follow `if ours; then`.
# tests/client/matrix runs every script that names its `client` on both modules and writes docs/clients.md.
set -euo pipefail
: "${VTPM_MODULE:?}" "${VTPM_SOURCE:=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}"
VTPM_MODULE=$(realpath "$VTPM_MODULE")
# A client's process must have no address sanitizer, preloaded allocator or configuration of the developer.
unset VTPM_PKCS11_STORE VTPM_PKCS11_CONF OPENSSL_CONF LD_PRELOAD

scratch=$(mktemp -d "${TMPDIR:-/tmp}/vtpm-client.XXXXXX")
declare -A servers=()
finish() {
  local status=$? name
  if [ "$status" -ne 0 ] && [ -s "$scratch/module.log" ]; then
    echo "--- the end of the module's log"
    tail -n 20 "$scratch/module.log"
  fi
  declare -F at_exit >/dev/null && at_exit
  for name in "${!servers[@]}"; do
    kill "${servers[$name]}" 2>/dev/null || :
    wait "${servers[$name]}" 2>/dev/null || :
    if [ "$status" -ne 0 ]; then echo "--- the end of $name.log" && tail -n 20 "$scratch/$name.log"; fi
  done
  # A daemon that is about to end may still write here.
  for _ in $(seq 50); do if rm -rf "$scratch" 2>/dev/null; then break; else sleep 0.1; fi; done
  exit "$status"
}
trap finish EXIT
trap 'echo "FAILED: line $LINENO of $(basename "${BASH_SOURCE[0]:-$0}"): $BASH_COMMAND"' ERR
trap 'exit 143' INT TERM
set -E # the ERR trap holds inside functions too
umask 022 # tests of the umask set their own
cd "$scratch"

export PIN=271828 SO_PIN=31415926 GNUTLS_PIN=271828
export VTPM_PKCS11_CONF=$scratch/vtpm-pkcs11.toml
cat >"$VTPM_PKCS11_CONF" <<TOML
store_dir = "$scratch/tokens"
log = "$scratch/module.log"
log_level = "debug"
[kdf]
algorithm = "argon2id"
memory_kib = 8192
passes = 1
lanes = 1
TOML
mkdir tokens
# The other module of the comparison. p11-kit loads it anyway if it is installed.
export SOFTHSM2_CONF=$scratch/softhsm2.conf
printf 'directories.tokendir = %s\nobjectstore.backend = file\nlog.level = INFO\n' "$scratch/softhsm2" >"$SOFTHSM2_CONF"
mkdir softhsm2
ours() { [[ ${VTPM_MODULE##*/} == vtpm-pkcs11*.so ]]; }

p11() { pkcs11-tool --module "$VTPM_MODULE" "$@"; }
in_token() { p11 --token-label "${token:-client}" "$@"; }
logged_in() { in_token --login --pin env:PIN "$@"; }

# `public_key id=%01 FILE`, by GnuTLS: what pkcs11-tool 0.23 reads of an EC key it has freed before (its --read-object
# fails when the heap is so).
public_key() {
  p11tool --provider "$VTPM_MODULE" --export "pkcs11:token=${token:-client};type=public;$1" --outder --outfile "$2" \
    </dev/null
}

# Once there is a token the slot of the next one is listed without a token, and pkcs11-tool asks the token in a slot for its
# description before it initializes it.
with_free_slot() {
  sed '1i free_slot = "always"' "$VTPM_PKCS11_CONF" >"$scratch/free-slot.toml"
  VTPM_PKCS11_CONF=$scratch/free-slot.toml "$@"
}
free_slot() { # the number of the uninitialized slot
  with_free_slot p11 --list-slots | awk '/^Slot [0-9]+ \(/ { slot = $3; gsub(/[():]/, "", slot) }
                          /uninitialized/ { print slot; exit }'
}
make_token() { # LABEL: initialized, with both PINs
  with_free_slot p11 --init-token --slot "$(free_slot)" --label "$1" --so-pin env:SO_PIN
  p11 --token-label "$1" --login --login-type so --so-pin env:SO_PIN --init-pin --new-pin env:PIN
}
store_of() { # LABEL: the file of a token, found by its serial number
  local serial
  serial=$(p11 --list-token-slots | awk -v label="$1" '
    /token label/ { found = ($4 == label) }
    /serial num/ && found { print $4; exit }')
  echo "$scratch/tokens/$serial.vtpm"
}

# NAME COMMAND…: starts a server, which ends with the test at the latest; NAME.log contains its output.
serve() {
  "${@:2}" >"$scratch/$1.log" 2>&1 </dev/null &
  servers[$1]=$!
}
stop() { # NAME: the server ends
  kill "${servers[$1]}" 2>/dev/null || :
  wait "${servers[$1]}" 2>/dev/null || :
  unset "servers[$1]"
}
# Prints a port of 127.0.0.1 on which no process listens, below the range that the kernel assigns.
free_port() {
  local port
  while port=$((20000 + RANDOM % 12000)) && { : <"/dev/tcp/127.0.0.1/$port"; } 2>/dev/null; do :; done
  echo "$port"
}
# COMMAND…: repeats the command until it succeeds, for at most twenty seconds.
eventually() {
  for _ in $(seq 200); do
    if "$@" >/dev/null 2>&1; then return; fi
    sleep 0.1
  done
  "$@"
}
listening() { : <"/dev/tcp/127.0.0.1/$1"; } # PORT
# FILE COMMAND…: writes the output to the file, and prints it if the command fails.
into() {
  local file=$1
  shift
  "$@" >"$file" 2>&1 || {
    cat "$file"
    return 1
  }
}

# COMMAND…: the command must fail, and not by a signal.
refused() {
  local status=0
  "$@" >refused.out 2>&1 || status=$?
  if [ "$status" -eq 0 ] || [ "$status" -ge 126 ]; then
    echo "must be refused, but ended with status $status: $*"
    cat refused.out
    return 1
  fi
}
# FILE PATTERN: a line of the file must match.
has() {
  grep -E -q -- "$2" "$1" || {
    echo "no line of $1 matches $2:"
    cat "$1"
    return 1
  }
}
# `! grep` would not end a script under `set -e`.
has_not() {
  if grep -E -n -- "$2" "$1"; then
    echo "a line of $1 matches $2, but must not"
    return 1
  fi
}
# The matrix (docs/clients.md) reads these lines. A script that shows a client names it, with the Debian package that
# has its version (if releases call the package differently, with all its names: the first that is installed counts).
# Each section is a row of the table: a complete phrase without a vertical bar.
client() { # NAME PACKAGE...
  local version
  version=$(dpkg-query -W -f='${db:Status-Status} ${Version}\n' "${@:2}" 2>/dev/null |
    sed -n -E '/^installed /{s/^installed ([0-9]+:)?//; s/-[^-]*$//; p; q}') || :
  echo "client: $1: $version"
}
section() { echo "== $*"; }
