# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Registration of a module with p11-kit for as long as a script runs. Sourced. The caller calls `unregister_module` in
# its EXIT trap.
#
# A user registers in $XDG_CONFIG_HOME/pkcs11/modules. p11-kit ignores that directory for root, so root's registration
# is one file in /etc/pkcs11/modules; a directory that was made for it is removed with it.

registration=''
registration_directories=()

register_module() { # MODULE NAME
  local directory=${XDG_CONFIG_HOME:-$HOME/.config}/pkcs11/modules missing
  [ "$(id -u)" -ne 0 ] || directory=/etc/pkcs11/modules
  missing=$directory
  while [ ! -d "$missing" ]; do
    registration_directories+=("$missing")
    missing=$(dirname "$missing")
  done
  mkdir -p "$directory"
  registration=$directory/$2.module
  printf 'module: %s\n' "$1" >"$registration"
}

unregister_module() {
  [ -z "$registration" ] || rm -f "$registration"
  [ ${#registration_directories[@]} -eq 0 ] || rmdir "${registration_directories[@]}" 2>/dev/null || true
  registration='' registration_directories=()
}
