#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# An installation whose prefix is given to `cmake --install --prefix`: every file that contains the module's path has the
# installed path, and `uninstall` removes all of the installation and nothing else. (tests/field/on_an_empty_debian.sh checks
# that p11-kit finds the module below /usr.)
. "$(dirname "$0")/../client/client.sh"
: "${VTPM_BINARY:?}"
files() { find "$1" -printf '%M %p\n' | sort; }

section 'the files name the module where it is'
prefix=$scratch/usr
mkdir -p "$prefix/bin" "$prefix/share/doc" # directories of the administrator, which are empty
files "$prefix" >before
(umask 077 && cmake --install "$VTPM_BINARY" --prefix "$prefix") >said 2>&1 || {
  cat said
  false
}
module=$(sed -n 's/^module: //p' "$prefix/share/p11-kit/modules/vtpm-pkcs11.module")
[ "${module#"$prefix/"}" != "$module" ]
cmp "$module" "$VTPM_BINARY/vtpm-pkcs11.so"
[ "$(PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name vtpm-pkcs11.pc)") pkg-config --variable=p11_module vtpm-pkcs11)" = "$module" ]
# The directory that p11-kit reads if it has the same prefix.
[ "/usr/${module#"$prefix/"}" = "$(pkg-config --variable=p11_module_path p11-kit-1)/vtpm-pkcs11.so" ]

# The directory in which dlopen(3) finds the bare name, if the prefix is /usr.
[ "$(realpath "$(dirname "$module")/../vtpm-pkcs11.so")" = "$module" ]
[ -f "$prefix/lib/sysusers.d/vtpm-pkcs11.conf" ] && [ -f "$prefix/lib/tmpfiles.d/vtpm-pkcs11.conf" ]

section 'a strict umask of root excludes no user'
[ -z "$(find "$prefix" -mindepth 1 \( -type d ! -perm -005 -o -type f ! -perm -004 \))" ]

section 'it works'
printf 271828 >pin && printf 31415926 >so_pin
"$prefix/bin/vtpm-token" init --label installed --so-pin-file so_pin --pin-file pin
p11tool --provider "$module" --list-tokens >tokens.out
has tokens.out 'token=installed$'

section 'a warning names the directory if p11-kit does not read the prefix'
has said "p11-kit looks for modules in .*, not in $prefix/share/p11-kit/modules"
has said '/etc/pkcs11/modules'

section 'a package'
DESTDIR=$scratch/package cmake --install "$VTPM_BINARY" --prefix /opt/vtpm >said
[ "$(sed -n 's/^module: //p' package/opt/vtpm/share/p11-kit/modules/vtpm-pkcs11.module)" = "/opt/vtpm/${module#"$prefix/"}" ]
grep -r -l -F "$scratch/package" package >leaks || :
[ ! -s leaks ]

section 'what a package has of it: neither the list nor the script that would remove files'
DESTDIR=$scratch/product cmake --install "$VTPM_BINARY" --prefix /usr --component product >said
find product -type f -o -type l | sort >product.files
for one in pkcs11/vtpm-pkcs11.so /vtpm-pkcs11.module bin/vtpm-token lib/sysusers.d/vtpm-pkcs11.conf examples/vtpm-pkcs11.toml; do
  has product.files "$one\$"
done
has_not product.files 'uninstall|installed\.txt|LICENSE'

section 'the list of what is linked in is complete: of each archive there is a notice and a source in the package'
grep -A 20 -E '^build (vtpm-pkcs11.so|vtpm-token): ' "$VTPM_BINARY/build.ninja" | sed -n 's/^  LINK_LIBRARIES = //p' | tr ' ' '\n' |
  grep '^/.*\.a$' | grep -v -E '/lib(dl|rt|pthread)\.a$' | sort -u >archives # those of glibc are empty
[ -s archives ]
while IFS= read -r archive; do has "$VTPM_BINARY/linked_in.txt" "^$archive\$"; done <archives

section 'once more over itself, then removed'
touch "$prefix/share/vtpm-pkcs11.of_somebody_else"
cmake --install "$VTPM_BINARY" --prefix "$prefix" >said 2>&1
"$prefix/share/vtpm-pkcs11/uninstall"
rm "$prefix/share/vtpm-pkcs11.of_somebody_else"
files "$prefix" | diff before -
