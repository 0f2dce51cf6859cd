#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Each command of `store` that works on a whole file shows a progress bar on a terminal after a second, and nothing if
# there is no terminal. A held lock or a pipe makes the commands slow.
. "$(dirname "$0")/client.sh"
: "${VTPM_TOOL:?}" "${VTPM_PROGRAMS:?}"

head -c 300 /dev/urandom >blob
for i in 1 2 3 4 5 6; do blobs+=(--clear-blob "disk$i/nvram=blob"); done
"$VTPM_TOOL" store build clear.vtpm --cipher none "${blobs[@]}" >/dev/null
"$VTPM_TOOL" store export clear.vtpm --fixed clear.fixed >/dev/null

# NAME FILE ARGUMENTS…: the command is slow because another process holds the lock of FILE. On a terminal it shows a bar
# and removes it.
slow() {
  local name=$1 file=$2
  shift 2
  section "$name"
  printf '%q ' "$VTPM_PROGRAMS/hold_lock" "$file" "$VTPM_TOOL" store "$@" >command.sh
  script -q -e -c "$(cat command.sh)" on-terminal </dev/null >/dev/null
  has on-terminal "$name \[#* *\] +[0-9]+ %"
  has on-terminal $'\r\033\\[K'
}
# The same without a terminal: the command may print that it waits for the lock, and nothing else.
quiet() {
  local file=$1
  shift
  "$VTPM_PROGRAMS/hold_lock" "$file" "$VTPM_TOOL" store "$@" >said 2>complained
  ! grep -v "waiting: $file has been locked by another process since" complained
}

slow checking clear.vtpm check clear.vtpm
quiet clear.vtpm check clear.vtpm
slow compacting clear.vtpm compact clear.vtpm
quiet clear.vtpm compact clear.vtpm
slow exporting clear.vtpm export clear.vtpm --fixed 1.fixed
quiet clear.vtpm export clear.vtpm --fixed 2.fixed
slow importing clear.fixed import clear.fixed 1.vtpm
quiet clear.fixed import clear.fixed 2.vtpm
for file in 3.vtpm 4.vtpm; do
  cp clear.vtpm "$file"
  printf 'X' | dd of="$file" bs=1 seek=$(($(stat -c %s "$file") - 300)) conv=notrunc status=none
done
slow repairing 3.vtpm repair 3.vtpm
quiet 4.vtpm repair 4.vtpm
has said 'was repaired'
"$VTPM_TOOL" store check 3.vtpm

section building
mkfifo pipe
feed() { # opens when the tool does, and lets it wait
  exec 4>pipe
  sleep 1.1
  cat blob >&4
  exec 4>&-
}
feed &
printf '%q ' "$VTPM_TOOL" store build 5.vtpm --cipher none --blob a=pipe --blob b=blob >command.sh
script -q -e -c "$(cat command.sh)" on-terminal </dev/null >/dev/null
has on-terminal 'building \[#* *\] +[0-9]+ %'
feed &
"$VTPM_TOOL" store build 6.vtpm --cipher none --blob a=pipe --blob b=blob >said 2>complained
[ ! -s complained ]
wait
"$VTPM_TOOL" store extract 6.vtpm a | cmp - blob
