#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs the commands of README.md, word for word, in a fresh clone on an empty Debian.
# Not run by ctest: .ci/run runs it in the root that scripts/empty_root.sh makes, as root, in the clone.
set -euo pipefail
trap 'echo "FAILED: line $LINENO of on_an_empty_debian.sh: $BASH_COMMAND"' ERR
set -E
tree=$PWD
out=/tmp/out
section() { printf '\n== %s\n' "$*"; }
fail() {
  printf 'FAILED: %s\n' "$*"
  exit 1
}
has() { # PATTERN FILE
  grep -E -q -e "$1" "$2" || fail "no line of $2 matches $1: $(tail -n 40 "$2")"
}
# A command that README.md shows, without its remark: an error if it does not.
documented() {
  sed -n 's/^    //p' "$tree/README.md" | sed -E 's/ +#.*//' | grep -q -x -F -e "$1" || fail "README.md does not show: $1"
  printf '$ %s\n' "$1"
}
as_stranger() { runuser -l stranger -c "cd '$tree' && $1" 2>&1; }
# at_a_terminal COMMAND [QUESTION ANSWER]…: runs the command as the new user, who types each answer after its question.
at_a_terminal() {
  local command=$1 asked
  shift
  rm -f /tmp/keyboard /tmp/screen
  mkfifo /tmp/keyboard
  (
    exec 4>/tmp/keyboard
    declare -A times=()
    while [ $# -gt 0 ]; do
      times[$1]=$((${times[$1]:-0} + 1))
      for _ in $(seq 600); do
        asked=$(grep -a -o -e "$1" /tmp/screen 2>/dev/null | wc -l) || :
        [ "$asked" -lt "${times[$1]}" ] || break
        sleep 0.1
      done
      echo "$2" >&4
      shift 2
    done
    exec sleep 600 # the terminal stays open
  ) &
  local typist=$! status=0
  timeout 300 script -q -e -f -c "runuser -u stranger -- bash -c 'cd \"$tree\" && HOME=/home/stranger && $command'" \
    /tmp/screen </tmp/keyboard >/dev/null || status=$?
  kill "$typist" 2>/dev/null || :
  wait "$typist" 2>/dev/null || :
  tr '\r' '\n' </tmp/screen | sed -E 's/\x1b\[[0-9;]*[mK]//g' >"$out"
  [ "$status" -eq 0 ] || fail "status $status of: $command: $(tail -n 40 "$out")"
}

section 'the first command, by root without sudo'
! command -v sudo >/dev/null || fail 'this is no empty Debian: it has sudo'
documented './quickstart'
./quickstart 2>&1 | tee "$out"
has '^Next: README.md, .*; \./check runs every test\.$' <(tail -n 1 "$out")
has '^  +The first build takes about [0-9]+ minutes' "$out"
cmake -S . -B /tmp/by_default -G Ninja >"$out" 2>&1 || fail "cmake alone does not configure a build tree: $(cat "$out")"

section 'again, in a tree that was once asked for the tests; their packages are not here'
! cmake --preset release -DVTPM_BUILD_TESTS=ON >"$out" 2>&1 || fail 'the tests need no package of [check]: then why these sections?'
grep -q '^VTPM_BUILD_TESTS:BOOL=ON' build/release/CMakeCache.txt || fail 'the tree does not remember the tests'
./quickstart --no-install >"$out" 2>&1 || fail "$(cat "$out")"
has '^Next: README.md' <(tail -n 1 "$out")

section 'a user whose sudo asks for the password each time'
apt-get install -y --no-install-recommends sudo >"$out" 2>&1 || fail "$(cat "$out")"
useradd --create-home --shell /bin/bash stranger
echo 'stranger:please' | chpasswd
printf 'stranger ALL=(ALL) ALL\nDefaults:stranger timestamp_timeout=0\n' >/etc/sudoers.d/stranger
chmod 755 /root
chown -R stranger: "$tree"
apt-get remove -y nlohmann-json3-dev libcli11-dev >"$out" 2>&1 || fail "$(cat "$out")"
at_a_terminal ./quickstart 'password for stranger:' please
has 'ok   packages: 2 to install' "$out"
has '^Next: README.md' "$out"
[ "$(grep -c 'password for stranger' "$out")" -eq 1 ] || fail 'sudo asked more than once'

section 'installed as README.md says'
files() { find / -xdev \( -path /proc -o -path /tmp -o -path /root -o -path /home -o -path /var -o -path /run -o -path /dev \) -prune -o -print | sort; }
files >/tmp/before
documented 'cmake --preset release && cmake --build --preset release'
as_stranger 'cmake --preset release && cmake --build --preset release' >"$out" || fail "$(tail "$out")"
documented 'sudo cmake --install build/release --prefix /usr'
at_a_terminal 'sudo cmake --install build/release --prefix /usr' 'password for stranger:' please
documented 'vtpm-token init --label mail'
at_a_terminal 'vtpm-token init --label mail' 'SO PIN: ' 31415926 'SO PIN again: ' 31415926 \
  'set it later): ' 271828 'set it later) again: ' 271828
documented 'p11tool --list-tokens'
as_stranger 'p11tool --list-tokens' >"$out" || fail "$(cat "$out")"
has 'URL: pkcs11:model=libtpms.*;token=mail$' "$out"
has '^'"$(find /usr/lib -name vtpm-pkcs11.so)"'$' <(as_stranger 'pkg-config --variable=p11_module vtpm-pkcs11')

section 'and removed'
documented 'sudo /usr/share/vtpm-pkcs11/uninstall'
at_a_terminal 'sudo /usr/share/vtpm-pkcs11/uninstall' 'password for stranger:' please
files >/tmp/after
diff /tmp/before /tmp/after || fail 'the installation left something behind, or took something away'
as_stranger 'p11tool --list-tokens' >"$out" || fail "$(cat "$out")"
! grep -q 'token=mail' "$out" || fail "$(cat "$out")"
ls /home/stranger/.local/share/vtpm-pkcs11/*.vtpm >/dev/null
echo 'Every command of README.md did what it says.'
