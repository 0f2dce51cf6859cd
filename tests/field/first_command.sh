#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# ./quickstart and ./check on a fresh host: without root and sudo, with a sudo that asks each time,
# after another user has built here, without the packages of the tests. (tests/field/on_an_empty_debian.sh does the
# same on a real one.)
. "$(dirname "$0")/../client/client.sh"
: "${VTPM_BINARY:?}"
chmod 755 "$scratch"
unset CI

# A user without privileges.
if [ "$(id -u)" -eq 0 ]; then
  stranger=(setpriv --reuid=65534 --regid=65534 --clear-groups)
else
  stranger=(env)
fi
to_the_stranger() { [ "$(id -u)" -ne 0 ] || chown -R 65534:65534 "$@"; }
# All programs of this host except sudo; `with_sudo` puts a sudo of this test before them.
mkdir bin with_sudo
ln -s /usr/bin/* /usr/sbin/* bin/ 2>/dev/null || :
rm -f bin/sudo bin/apt-get bin/apt

# A tree with the scripts and without the project, whose packages do not exist.
fresh_tree() {
  rm -rf tree
  mkdir tree
  cp -r "$VTPM_SOURCE"/{quickstart,check,scripts,CMakePresets.json} tree/
  printf '[build]\nvtpm-none-a\nvtpm-none-b # why\n[check]\nvtpm-none-c\n' >tree/packages.txt
  to_the_stranger tree
}
quickstart() { "${stranger[@]}" env PATH="$scratch/bin" HOME="$scratch" tree/quickstart "$@"; }
check() { "${stranger[@]}" env PATH="$scratch/bin" HOME="$scratch" tree/check "$@"; }

cat >bin/apt-get <<STUB
#!/bin/bash
[ "\$1" != indextargets ] || exit 0 # sources without an archive
echo "apt-get \$*" >>"$scratch/apt.calls"
[ -x "$scratch/policy-rc.d" ] || { echo "services would start"; exit 1; }
echo 'pmstatus:some:50.0:Unpacking' >&3
echo 'apt has written something to its standard error' >&2
STUB
# This sudo asks at the terminal for each call, as with timestamp_timeout=0.
cat >with_sudo/sudo <<STUB
#!/bin/bash
printf '[sudo] password for you: ' >/dev/tty
IFS= read -r answer </dev/tty
[ "\$answer" = please ] || { echo 'Sorry, try again.' >&2; exit 1; }
echo call >>"$scratch/sudo.calls"
exec "\${@//\/usr\/sbin\/policy-rc.d/$scratch/policy-rc.d}"
STUB
chmod +x bin/apt-get with_sudo/sudo

section 'neither root nor sudo: a command to copy'
fresh_tree
refused quickstart
has refused.out '^  apt-get update && apt-get install -y --no-install-recommends vtpm-none-a vtpm-none-b$'
has refused.out 'and then tree/quickstart again'
refused check
has refused.out '^  apt-get update && apt-get install -y --no-install-recommends vtpm-none-a vtpm-none-b vtpm-none-c$'

section 'a sudo that asks each time is asked once, where the answer can be read'
cat >tree/install <<'DRIVER'
#!/bin/bash
set -euo pipefail
VTPM_ROOT=$(cd "$(dirname "$0")" && pwd)
VTPM_LOGS=$VTPM_ROOT/build/log
. "$VTPM_ROOT/scripts/console.sh"
. "$VTPM_ROOT/scripts/packages.sh"
install_packages build check
note 'everything is there'
DRIVER
chmod +x tree/install
to_the_stranger tree "$scratch"
at_a_terminal() { # ANSWER: what the installation shows, in `screen`
  local status=0 typist
  rm -f screen keyboard
  mkfifo keyboard
  (
    exec 4>keyboard
    until grep -a -q 'password for you: ' screen 2>/dev/null; do sleep 0.05; done
    echo "$1" >&4
    exec sleep 120 # the terminal stays open
  ) &
  typist=$!
  timeout -k 5 60 "${stranger[@]}" env PATH="$scratch/with_sudo:$scratch/bin" script -q -e -f -c tree/install screen \
    <keyboard >/dev/null || status=$?
  kill "$typist" 2>/dev/null || :
  wait "$typist" 2>/dev/null || :
  tr '\r' '\n' <screen >lines && mv lines screen
  return "$status"
}
at_a_terminal please || {
  cat screen
  false
}
has screen 'packages: 3 to install'
has screen '^everything is there'
[ "$(wc -l <sudo.calls)" -eq 1 ]
has apt.calls '^apt-get .* install -y --no-install-recommends vtpm-none-a vtpm-none-b vtpm-none-c$'
has tree/build/log/packages.log 'written something to its standard error'
has_not screen 'written something'
[ ! -e policy-rc.d ]

section 'a sudo that refuses: the same command to copy'
refused at_a_terminal no
has screen 'Sorry, try again'
has screen '^error:|.*sudo failed'
has screen '^  apt-get update && apt-get install -y --no-install-recommends vtpm-none-a'

section 'a configure error shows its reason'
fresh_tree
printf 'cmake_minimum_required(VERSION 3.25)\nproject(p NONE)\nmessage(FATAL_ERROR "the reason for this")\n' >tree/CMakeLists.txt
refused quickstart --no-install
has refused.out 'the reason for this'

section 'after another user has built here'
echo 'the words of another build' >tree/build/log/configure-release.log
chmod a-w tree/build/log/configure-release.log tree/build/log
[ "$(id -u)" -ne 0 ] || chown -R 0:0 tree/build
for command in quickstart check; do
  refused $command --no-install
  has refused.out "build.* is not writable for .*, since it belongs to $(stat -c %U tree/build)"
  has refused.out 'rm -r .*/tree/build'
  has_not refused.out 'the words of another build'
done
# A clone that belongs to another user, without a build.
chmod -R u+w tree/build
rm -rf tree/build
chmod a-w tree
[ "$(id -u)" -ne 0 ] || chown 0:0 tree
refused quickstart --no-install
has refused.out "tree is not writable for .*, since it belongs to $(stat -c %U tree)"
chmod u+w tree

section 'a line without its newline does not run into the next command'
(
  VTPM_LOGS=$scratch
  . "$VTPM_SOURCE/scripts/console.sh"
  . "$VTPM_SOURCE/scripts/demonstration.sh"
  show "printf 'a line without an end'"
  show 'echo next'
) >said
has said '^      a line without an end$'
has said '^  \$ echo next$'

section 'a console that takes nothing does not end the work'
VTPM_LOGS=$scratch/log bash -c 'set -euo pipefail; . "$VTPM_SOURCE/scripts/console.sh"
  title title; note note; must name label true; echo done >&2' >/dev/full 2>said
has said '^done$'

section 'what is configured by default needs no package of the tests'
cat >pkg-config <<'STUB'
#!/bin/sh
case "$*" in *sqlite3* | *gtest* | *benchmark*) exit 1 ;; esac
exec /usr/bin/pkg-config "$@"
STUB
chmod +x pkg-config
without_them=(-G Ninja -DPKG_CONFIG_EXECUTABLE="$scratch/pkg-config" -DCMAKE_DISABLE_FIND_PACKAGE_GTest=ON
  -DCMAKE_DISABLE_FIND_PACKAGE_benchmark=ON)
cmake -S "$VTPM_SOURCE" -B by_default "${without_them[@]}" >said 2>&1 || {
  cat said
  false
}
refused cmake -S "$VTPM_SOURCE" -B by_default "${without_them[@]}" -DVTPM_BUILD_TESTS=ON

section 'the whole demonstration, for a user without rights, in a folder with a space in its name'
mkdir product home 'a folder'
cp "$VTPM_MODULE" "$VTPM_BINARY/vtpm-token" product/
fresh_tree
cat >tree/CMakeLists.txt <<PROJECT
cmake_minimum_required(VERSION 3.25)
project(p NONE)
foreach(file vtpm-pkcs11.so vtpm-token)
  add_custom_target(\${file} COMMAND \${CMAKE_COMMAND} -E copy $scratch/product/\${file} \${CMAKE_BINARY_DIR})
endforeach()
PROJECT
mv tree 'a folder/tree'
to_the_stranger 'a folder' home
"${stranger[@]}" env -u XDG_CONFIG_HOME PATH="$scratch/bin" HOME="$scratch/home" 'a folder/tree/quickstart' --no-install >said 2>&1 || {
  cat said
  false
}
has said '^Next: README.md, .*; \./check runs every test\.$'
has said '^      stored beside the TPM$'
has said '^      stored inside the TPM$'
has said '^      Verified OK$'
has said '0x01c00002 and 0x01c0000a' # what these certificates are, before they are listed
[ -z "$(find home -type f)" ]

section 'a tree that was asked for the tests: they stay if they can'
fresh_tree
cat >tree/CMakeLists.txt <<'PROJECT'
cmake_minimum_required(VERSION 3.25)
project(p NONE)
option(VTPM_BUILD_TESTS "" OFF)
if(VTPM_BUILD_TESTS AND NOT EXISTS ${CMAKE_SOURCE_DIR}/packages_of_the_tests)
  message(FATAL_ERROR "a package of the tests is missing")
endif()
PROJECT
(cd tree && "${stranger[@]}" cmake --preset release -DVTPM_BUILD_TESTS=ON) >said 2>&1 || :
has tree/build/release/CMakeCache.txt '^VTPM_BUILD_TESTS:BOOL=ON'
touch tree/packages_of_the_tests
refused quickstart --no-install # this project has nothing to build
has refused.out ' ok .*configure'
has refused.out 'The first build takes about [0-9]+ minutes'
has tree/build/release/CMakeCache.txt '^VTPM_BUILD_TESTS:BOOL=ON'
rm tree/packages_of_the_tests
refused quickstart --no-install
has refused.out ' ok .*configure'
has tree/build/release/CMakeCache.txt '^VTPM_BUILD_TESTS:BOOL=OFF'

section 'the proof on an empty Debian fails where it cannot be given'
refused "${stranger[@]}" tree/scripts/empty_root.sh bookworm true
if [ "$(id -u)" -eq 0 ]; then
  has refused.out 'needs root'
  refused env PATH="$scratch/bin" tree/scripts/empty_root.sh bookworm true
  has refused.out "debootstrap is missing|apt's sources name no archive"
fi
