#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs a command on an empty Debian; see --help.
set -euo pipefail
VTPM_ROOT=$(cd "$(dirname "$0")/.." && pwd)
VTPM_LOGS=$VTPM_ROOT/build/log
. "$VTPM_ROOT/scripts/console.sh"

usage() {
  cat <<'HELP'
usage: scripts/empty_root.sh SUITE COMMAND [ARGUMENT ...]

Creates an empty Debian SUITE (bookworm, for example) with debootstrap: the minimal variant, and git. In it, git clones the
commit HEAD of this tree, and COMMAND runs as root in the clone. Exits with the command's status.

The Debian is in memory, in a mount and process namespace of its own: it disappears, with every process in it, when the
command has ended. It contains nothing of this host's /dev, but has this host's network. The mirror, its proxy and its
credentials are those of this host's apt. Needs root, debootstrap, and about 3 GiB of memory for ./quickstart.
HELP
}

case ${1:-} in
  --help | -h)
    usage
    exit 0
    ;;
esac
[ $# -ge 2 ] || die "needs a Debian suite and a command; see scripts/empty_root.sh --help"
suite=$1
shift

# What the host knows: the root of the empty Debian is a tmpfs over an empty directory, which this process removes.
if [ -z "${VTPM_EMPTY_ROOT:-}" ]; then
  [ "$(id -u)" -eq 0 ] || die "scripts/empty_root.sh needs root, to mount and to create device nodes"
  command -v debootstrap >/dev/null || die "debootstrap is missing: apt-get install debootstrap"
  VTPM_EMPTY_ROOT=$(mktemp -d "${TMPDIR:-/tmp}/vtpm-empty-root.XXXXXX")
  export VTPM_EMPTY_ROOT
  # rmdir, since rm -r could delete files on a mount.
  trap 'rmdir "$VTPM_EMPTY_ROOT"' EXIT
  trap 'exit 130' INT TERM
  # debootstrap binds the device nodes of the host where the variable container says that it runs in one.
  status=0
  env -u container unshare --mount --pid --fork --kill-child --mount-proc "$0" "$suite" "$@" || status=$?
  exit "$status"
fi

root=$VTPM_EMPTY_ROOT
unset VTPM_EMPTY_ROOT
mount -t tmpfs -o size=75%,mode=755 empty-root "$root"

# The archive that apt reads this machine's own release from; another suite is beside it.
. /etc/os-release
archive() {
  apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' "Release: $VERSION_CODENAME" 'Component: main' |
    head -n 1
}
mirror=$(archive) || :
if [ -z "$mirror" ]; then # apt knows its archives when it has read their lists
  apt-get update || :
  mirror=$(archive) || :
fi
[ -n "$mirror" ] || die "apt's sources name no archive of $VERSION_CODENAME, main: there is no mirror from which to create an empty Debian"
# debootstrap does not read apt's configuration.
for protocol in http https; do
  proxy=''
  eval "$(apt-config shell proxy "Acquire::$protocol::Proxy")"
  case $proxy in '' | DIRECT) ;; *) export "${protocol}_proxy=$proxy" ;; esac
done

include=git
case $mirror in https:*) include=git,ca-certificates ;; esac
echo "An empty Debian, $suite:"
debootstrap --variant=minbase --include="$include" "$suite" "$root" "$mirror" 2>&1 |
  sed -E '/^I: (Retrieving|Validating|Extracting|Unpacking|Configuring) /d' ||
  die "debootstrap could not create $suite from the archive that this host's apt reads"

# The access to the archive, for apt inside.
apt-config dump | grep -E '^Acquire::(https?::|Check-|Retries)' >"$root/etc/apt/apt.conf.d/99host" || :
for file in /etc/apt/auth.conf /etc/apt/auth.conf.d/*; do
  [ ! -f "$file" ] || cp "$file" "$root$file"
done
cp -L /etc/resolv.conf /etc/hosts "$root/etc/"

mount -t proc proc "$root/proc"
mount -t devpts -o mode=620,gid=5,ptmxmode=666 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777 shm "$root/dev/shm"

# The repository goes in as one file, because the checkout may be another user's, or a worktree whose .git is elsewhere.
[ -z "$(git -c safe.directory='*' -C "$VTPM_ROOT" status --porcelain)" ] ||
  echo 'The clone does not contain uncommitted changes.'
git -c safe.directory='*' -C "$VTPM_ROOT" bundle create --quiet "$root/srv/vtpm-pkcs11.bundle" HEAD
inside() {
  env -i HOME=/root LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin TERM="${TERM:-dumb}" \
    chroot "$root" bash -c "$@"
}
inside 'cd && git -c init.defaultBranch=main clone --quiet --config advice.detachedHead=false /srv/vtpm-pkcs11.bundle vtpm-pkcs11'
status=0
inside 'cd ~/vtpm-pkcs11 && exec "$@"' bash "$@" || status=$?
exit "$status"
