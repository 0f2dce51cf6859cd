#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The Debian package on an empty Debian: installed, used by the programs of that Debian, and purged. Not run by ctest: .ci/run runs it, as root, in a root that scripts/empty_root.sh makes.
# usage: package_on_an_empty_debian.sh PACKAGE.deb
set -euo pipefail
trap 'echo "FAILED: line $LINENO of package_on_an_empty_debian.sh: $BASH_COMMAND"' ERR
set -E
package=$(realpath "$1")
out=/tmp/out
section() { printf '\n== %s\n' "$*"; }
fail() {
  printf 'FAILED: %s\n' "$*"
  exit 1
}
has() { # PATTERN FILE
  grep -E -q -e "$1" "$2" || fail "no line of $2 matches $1: $(tail -n 40 "$2")"
}
quietly() { "$@" >"$out" 2>&1 || fail "$*: $(tail -n 40 "$out")"; }
files() { find / -xdev \( -path /proc -o -path /tmp -o -path /root -o -path /home -o -path /var/lib/apt -o -path /var/lib/dpkg -o -path /var/cache -o -path /var/log -o -path /run -o -path /dev \) -prune -o -print | sort; }
as_user() { runuser -u user -- bash -c "cd && $1"; }

section 'the programs that will use it, and lintian'
export DEBIAN_FRONTEND=noninteractive
apt-get update >"$out" 2>&1 || :
programs=(binutils gnutls-bin lintian openssh-client opensc openssl p11-kit passwd)
engine=no provider=no
if apt-cache show pkcs11-provider >/dev/null 2>&1; then
  programs+=(pkcs11-provider) provider=yes
else
  programs+=(libengine-pkcs11-openssl) engine=yes
fi
# The libraries that the package depends on may stay.
mapfile -t libraries < <(dpkg-deb -f "$package" Depends | tr ',' '\n' | sed -E 's/^ *([a-z0-9.+-]+).*/\1/' | sort -u)
quietly apt-get install -y --no-install-recommends "${programs[@]}" "${libraries[@]}"
id user >/dev/null 2>&1 || useradd --create-home --shell /bin/bash user
files >/tmp/before
getent group | sort >/tmp/groups_before

section 'lintian has no error'
lintian --allow-root --tag-display-limit 0 "$package" | tee /tmp/lintian || fail 'lintian has found errors'

section 'what it says of itself'
dpkg-deb -f "$package" | tee /tmp/control
has '^Static-Built-Using: .*libtpms \(= .*openssl \(= ' /tmp/control
dpkg-deb -c "$package" >/tmp/contents
has '/pkcs11/vtpm-pkcs11\.so$' /tmp/contents
for one in bin/vtpm-token share/p11-kit/modules/vtpm-pkcs11.module share/man/man1/vtpm-token.1.gz \
  share/man/man5/vtpm-pkcs11.toml.5.gz share/man/man7/vtpm-pkcs11.7.gz share/bash-completion/completions/vtpm-token \
  share/doc/vtpm-pkcs11/examples/vtpm-pkcs11.toml lib/sysusers.d/vtpm-pkcs11.conf lib/tmpfiles.d/vtpm-pkcs11.conf; do
  has "\\./usr/$one\$" /tmp/contents
done
rm -rf /tmp/unpacked && dpkg-deb -x "$package" /tmp/unpacked
module=$(find /tmp/unpacked -name vtpm-pkcs11.so -type f)
for binary in "$module" /tmp/unpacked/usr/bin/vtpm-token; do
  ! readelf -S "$binary" 2>/dev/null | grep -q '\.debug_info' || fail "$binary is not stripped"
  ! grep -a -o -E '(/root|/tmp|/home)/[A-Za-z0-9_./-]*' "$binary" >"$out" || fail "$binary names paths of the build: $(sort -u "$out")"
done
for library in openssl libtpms cli11 tomlplusplus nlohmann-json3; do
  has "^Inside the module or the tool: parts of $library " /tmp/unpacked/usr/share/doc/vtpm-pkcs11/copyright
done

section 'installed'
quietly apt-get install -y --no-install-recommends "$package"
[ "$(stat -c '%a %U %G' /var/lib/vtpm-pkcs11)" = '2770 root vtpm-pkcs11' ] || fail "$(stat /var/lib/vtpm-pkcs11)"

section 'a token that p11tool sees'
as_user '(umask 077 && printf 31415926 >so_pin && printf 271828 >pin) && vtpm-token init --label mail --so-pin-file so_pin --pin-file pin'
as_user 'p11tool --list-tokens' >"$out"
has 'URL: pkcs11:.*;token=mail$' "$out"

section 'pkcs11-tool makes keys, by the bare name of the module'
as_user 'pkcs11-tool --module vtpm-pkcs11.so --token-label mail --login --pin 271828 --keypairgen --key-type EC:prime256v1 --id 01 --label ec'
as_user 'pkcs11-tool --module vtpm-pkcs11.so --token-label mail --login --pin 271828 --keypairgen --key-type rsa:2048 --id 02 --label rsa'
as_user 'pkcs11-tool --module vtpm-pkcs11.so --token-label mail --read-object --type pubkey --id 01 --output-file ec.der && openssl pkey -pubin -inform DER -in ec.der -out ec.pem'
as_user 'echo a message >message && pkcs11-tool --module vtpm-pkcs11.so --token-label mail --login --pin 271828 --sign --mechanism ECDSA-SHA256 --signature-format openssl --id 01 -i message -o message.ec && openssl dgst -sha256 -verify ec.pem -signature message.ec message' >"$out" 2>&1 || fail "$(cat "$out")"
has 'Verified OK' "$out"

section 'ssh-keygen shows them'
as_user "ssh-keygen -D $(find /usr/lib -name vtpm-pkcs11.so -type f)" >"$out" || fail "$(cat "$out")"
has '^ecdsa-sha2-nistp256 .* ec$' "$out"
has '^ssh-rsa .* rsa$' "$out"

section "openssl signs (engine: $engine, provider: $provider)"
if [ "$provider" = yes ]; then
  as_user 'openssl dgst -provider pkcs11 -provider default -sha256 -sign "pkcs11:token=mail;object=ec;type=private?pin-value=271828" -out message.openssl message' >"$out" 2>&1 || fail "$(cat "$out")"
else
  as_user 'openssl dgst -engine pkcs11 -keyform engine -sha256 -sign "pkcs11:token=mail;object=ec;type=private;pin-value=271828" -out message.openssl message' >"$out" 2>&1 || fail "$(cat "$out")"
fi
as_user 'openssl dgst -sha256 -verify ec.pem -signature message.openssl message' >"$out" || fail "$(cat "$out")"
has 'Verified OK' "$out"

section 'a token of the system, which members of its group use'
mkdir -p /etc/vtpm-pkcs11
echo 'store_dir = "/var/lib/vtpm-pkcs11"' >/etc/vtpm-pkcs11/vtpm-pkcs11.toml
usermod -a -G vtpm-pkcs11 user
as_user 'vtpm-token init --label system --so-pin-file so_pin --pin-file pin && vtpm-token list' >"$out" || fail "$(cat "$out")"
has system "$out"
[ "$(find /var/lib/vtpm-pkcs11 -name '*.vtpm' -printf '%u %g\n')" = 'user vtpm-pkcs11' ] || fail "$(ls -l /var/lib/vtpm-pkcs11)"

section 'purged: only tokens are left'
quietly apt-get purge -y vtpm-pkcs11
files >/tmp/after
diff /tmp/before /tmp/after >/tmp/left || :
! grep '^<' /tmp/left || fail 'the purge took something away'
sed -n 's/^> //p' /tmp/left | grep -v -E '^/var/lib/vtpm-pkcs11(/[^/]*\.vtpm)?$' >"$out" || :
[ ! -s "$out" ] || fail "left behind: $(cat "$out")"
getent group vtpm-pkcs11 >/dev/null || fail 'the group that owns a token is gone'
ls /home/user/.local/share/vtpm-pkcs11/*.vtpm >/dev/null

section 'and without a token of the system nothing at all'
rm -r /var/lib/vtpm-pkcs11
quietly apt-get install -y --no-install-recommends "$package"
quietly apt-get purge -y vtpm-pkcs11
files >/tmp/after
diff /tmp/before /tmp/after || fail 'the purge left something behind, or took something away'
getent group | sort | diff /tmp/groups_before - || fail 'the purge left a group behind'
echo "$(basename "$package") is installed, used and purged."
