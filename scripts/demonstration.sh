# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The output of ./quickstart: chapters, and commands with their output. Sourced after console.sh; needs `scratch`, the
# directory in which the commands run and in which module.log is the module's diagnostic log.

# show COMMAND [LINES]: the command as a reader would type it, then what it printed (at most LINES of it).
show() {
  local out=$scratch/.output lines=${2:-12} status=0
  printf '  %s$ %s%s\n' "$console_bold" "$1" "$console_plain"
  eval "$1" >"$out" 2>&1 </dev/null || status=$?
  sed -i -e '/^Using slot /d' -e '/^Engine "pkcs11" set/d' "$out"  # these programs print it every time
  if [ "$status" -ne 0 ]; then
    indent '      ' <"$out"
    if [ -s "$scratch/module.log" ]; then
      note '  the log of the module:'
      tail -n 5 "$scratch/module.log" | indent '      '
    fi
    die "that command ended with status $status"
  fi
  head -n "$lines" "$out" | sed -E 's/^(.{110}).{4,}/\1.../' | indent '      '
  if [ "$(wc -l <"$out")" -gt "$lines" ]; then note "      ... ($(wc -l <"$out") lines)"; fi
}
chapter=0
chapter() {
  chapter=$((chapter + 1))
  title "$chapter. $1"
  shift
  for line; do note "   $line"; done
}
