# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced at the beginning of a test that mounts file systems and gives files to others: runs the script again as root of
# a mount namespace of its own. Root may make one by itself; anybody else as root of a user namespace with users in it.
if [ "${1:-}" != mounted ]; then
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
