# shellcheck shell=bash
# Debian packages from packages.txt. Sourced after console.sh; needs `VTPM_ROOT`, the root of the tree.

packages_of() { # SECTION...: the names, one a line
  local section
  for section in "$@"; do
    awk -v wanted="[$section]" '
      { sub(/#.*/, "") }
      /^\[/ { inside = ($1 == wanted); next }
      inside && NF { print $1 }' "$VTPM_ROOT/packages.txt"
  done
}

missing_packages() { # SECTION...
  local name
  for name in $(packages_of "$@"); do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || echo "$name"
  done
}

# As root apt is called directly, because a minimal system has no sudo.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then env "$@"; else sudo env "$@"; fi
}

# Progress goes to descriptor 3, which is made inside because sudo closes it; apt would take descriptor 1 away from dpkg.
apt() {
  as_root DEBIAN_FRONTEND=noninteractive sh -c 'exec apt-get "$@" 3>&1' apt-get \
    -o APT::Status-Fd=3 -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 "$@"
}

# No service may start because a test client was installed: invoke-rc.d asks this script, and 101 means no.
policy=/usr/sbin/policy-rc.d
apt_install() {
  local status=0 ours=no
  if [ ! -e "$policy" ]; then
    ours=yes
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
  fi
  # A stale foreign repository must not stop us; whether the packages can be had is what the install says.
  apt update || echo 'apt-get update had errors; going on with the package lists that there are.'
  apt install -y --no-install-recommends "$@" || status=$?
  if [ "$ours" = yes ]; then as_root rm -f "$policy"; fi
  return "$status"
}

install_packages() { # SECTION...: installs what is missing; silent when nothing is
  local missing
  command -v apt-get >/dev/null ||
    die "this is not a Debian system. Install by hand what packages.txt lists ($*), then run again with --no-install."
  mapfile -t missing < <(missing_packages "$@")
  if [ ${#missing[@]} -eq 0 ]; then
    note "  ok   packages: all $(packages_of "$@" | wc -l) are installed"
    return
  fi
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null ||
      die "these packages are missing and there is neither root nor sudo to install them: ${missing[*]}"
    sudo true || die "sudo was refused; install these packages first: ${missing[*]}"
  fi
  must packages "packages: ${#missing[@]} to install, and what they need" apt_install "${missing[@]}"
}
