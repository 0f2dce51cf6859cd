# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Debian packages from packages.txt. Sourced after console.sh; needs `VTPM_ROOT`, the root of the tree.

# If releases of Debian have different names for a package, its line lists all of them, "a | b": the first that the release
# has is used. "a | -": a release that lacks the package does not need it.
packages_of() { # SECTION...: the names, one a line; alternatives as a|b
  local section
  for section in "$@"; do
    awk -v wanted="[$section]" '
      { sub(/#.*/, "") }
      /^\[/ { inside = ($1 == wanted); next }
      inside && NF { gsub(/[ \t]/, ""); print }' "$VTPM_ROOT/packages.txt"
  done
}

is_installed() { # PACKAGE or a|b
  local name
  for name in ${1//|/ }; do
    [ "$name" != - ] || return 0
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null)" != installed ] || return 0
    ! apt-cache show --no-all-versions "$name" >/dev/null 2>&1 || return 1
  done
  return 1
}

missing_packages() { # SECTION...
  local name
  for name in $(packages_of "$@"); do is_installed "$name" || echo "$name"; done
}

# Installs packages; run by root, and by sudo as the text of this function, so that one call of sudo does all: sudo may
# be set to ask for a password each time. The first line in the log tells the console that no question is open any more.
apt_install() { # PACKAGE or a|b...
  exec 2>&1
  echo "installing $*"
  export DEBIAN_FRONTEND=noninteractive PATH="$PATH:/usr/sbin:/sbin" # su keeps a user's path, and dpkg wants these
  local status=0 policy=/usr/sbin/policy-rc.d
  # No service may start because a test client was installed: invoke-rc.d asks this script, and 101 means no.
  if [ ! -e "$policy" ]; then
    # shellcheck disable=SC2064 # this path, now
    trap "rm -f $policy" EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
  fi
  # Progress goes to descriptor 3, since apt would take descriptor 1 away from dpkg.
  local options=(-o APT::Status-Fd=3 -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300)
  # A stale third-party repository must not stop the script; the install shows whether the packages are available.
  apt-get "${options[@]}" update 3>&1 || echo 'apt-get update had errors; going on with the package lists that there are.'
  # Of alternatives, the first one that this release has.
  local wanted=() name one
  for name; do
    for one in ${name//|/ }; do
      if [ "$one" = - ] || apt-cache show --no-all-versions "$one" >/dev/null 2>&1; then break; fi
    done
    [ "$one" = - ] || wanted+=("$one")
  done
  apt-get "${options[@]}" install -y --no-install-recommends "${wanted[@]}" 3>&1 || status=$?
  return "$status"
}

# Asks a person to install them: WHY, the command for root, and how to continue.
ask_for_packages() { # WHY PACKAGE...
  local why=$1
  shift
  die "$why. As root, run

  apt-get update && apt-get install -y --no-install-recommends $*

and then $0 again. (Of packages separated by |, install one; - means none.)"
}

install_packages() { # SECTION...: installs what is missing; silent when nothing is
  local missing label script
  command -v apt-get >/dev/null ||
    die "this is not a Debian system. Install the packages that packages.txt lists ($*) by hand, then run again with --no-install."
  mapfile -t missing < <(missing_packages "$@")
  if [ ${#missing[@]} -eq 0 ]; then
    note "  ok   packages: all $(packages_of "$@" | wc -l) are installed"
    return
  fi
  label="packages: ${#missing[@]} to install, with their dependencies"
  script="$(declare -f apt_install); apt_install \"\$@\""
  if [ "$(id -u)" -eq 0 ]; then
    must packages "$label" bash -c "$script" bash "${missing[@]}"
    return
  fi
  command -v sudo >/dev/null ||
    ask_for_packages "${#missing[@]} packages are missing, and installing them needs root or sudo" "${missing[@]}"
  note "       ${#missing[@]} packages are missing; sudo installs them and may ask for your password."
  step_that_asks packages "$label" sudo bash -c "$script" bash "${missing[@]}" || {
    [ -s "$VTPM_LOGS/packages.log" ] || ask_for_packages 'sudo failed, and packages are missing' "${missing[@]}"
    show_failure packages "$label"
  }
}
