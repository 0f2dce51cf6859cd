# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced at the beginning of a test that mounts file systems and changes owners: runs the script again as root in a mount
# namespace of its own. Root can create one directly; other users as root of a user namespace with several users.
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
