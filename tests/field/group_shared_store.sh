#!/bin/bash
# Users of one group share a store, on a file system with access control lists and on one without; and a store is
# mounted as a single file. Both file systems are mounted in a namespace of this script.
if [ "${1:-}" != mounted ]; then
  # Root may make the namespace by itself; anybody else as root of a user namespace with users of its own in it.
  as=(--mount)
  [ "$(id -u)" -eq 0 ] || as+=(--user --map-root-user --map-auto)
  # In a chroot the root is no mount point, whose propagation could be changed.
  unshare "${as[@]}" true 2>/dev/null || as+=(--propagation unchanged)
  if ! unshare "${as[@]}" true; then
    echo 'this test needs root, or newuidmap and a range of users for this one in /etc/subuid and /etc/subgid' >&2
    exit 1
  fi
  exec unshare "${as[@]}" "$0" mounted
fi
set -eu

scratch=$(mktemp -d)
at_exit() {
  umount --lazy "$scratch/with" "$scratch/without" 2>/dev/null || true
  rm -rf "$scratch"
}
trap at_exit EXIT

run() {
  cd "$scratch/$1"
  "$VTPM_PROGRAMS/field_group_shared" --gtest_brief=1 --gtest_filter="$2"
  cd /
}

mkdir "$scratch/with" "$scratch/without"
mount -t tmpfs -o mode=755 none "$scratch/with"
mount -t ramfs -o mode=755 none "$scratch/without"
run with 'SharedWithLists.*:Mounted.*'
run without 'SharedWithoutLists.*'
