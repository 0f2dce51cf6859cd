#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Users of one group share a store, on a file system with access control lists and on one without; and a store is
# mounted as a single file. Both file systems are mounted in a namespace of this script.
. "$(dirname "$0")/own_namespace.sh"
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
