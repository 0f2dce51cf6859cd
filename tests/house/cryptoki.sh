#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The numbers and the sizes of structures in the project's PKCS#11 header are those of p11-kit's header, as far as both have
# them: the module and other programs must agree on them.
# usage: cryptoki.sh SOURCE COMPILER P11KIT-INCLUDE-DIRECTORY
set -euo pipefail
source=$1 compiler=$2 include=$3
scratch=$(mktemp -d)
trap 'rm -r "$scratch"' EXIT
cd "$scratch"

names() { # HEADER: the numbers that it defines
  echo "#include <$1>" | "$compiler" -x c++ -std=c++20 -dM -E -I "$source" -I "$include" - |
    sed -nE 's/^#define (CK[A-Z]?_[A-Za-z0-9_]+) .*/\1/p' | LC_ALL=C sort
}
LC_ALL=C comm -12 <(names pkcs11/cryptoki/cryptoki.h) <(names p11-kit/pkcs11.h) >numbers
sed -nE 's/^struct (CK_[A-Z0-9_]+) \{$/\1/p' "$source"/pkcs11/cryptoki/*.h | LC_ALL=C sort >ours
grep -ohE '\bCK_[A-Z0-9_]+;' "$include/p11-kit/pkcs11.h" | tr -d ';' | LC_ALL=C sort -u >theirs
LC_ALL=C comm -12 ours theirs >structures

values() { # HEADER: "NAME value" of each
  {
    printf '#include <%s>\n#include <cstdio>\nint main() {\n' "$1"
    sed -E 's/.*/std::printf("& 0x%lx\\n", static_cast<unsigned long>(&));/' numbers
    sed -E 's/.*/std::printf("sizeof & %zu\\n", sizeof(&));/' structures
    echo '}'
  } >values.cc
  "$compiler" -std=c++20 -O0 -I "$source" -I "$include" values.cc -o values
  ./values
}
values pkcs11/cryptoki/cryptoki.h >our_values
values p11-kit/pkcs11.h >their_values
# Until 0.25, p11-kit had numbers of its own for these five (OASIS pkcs11t.h 2.40: 0x1b5 to 0x1b9).
known='^[<>] (CKR_EXCEEDED_MAX_ITERATIONS 0x1(b5|c0)|CKR_FIPS_SELF_TEST_FAILED 0x1(b6|c1)|CKR_LIBRARY_LOAD_FAILED 0x1(b7|c2)|CKR_PIN_TOO_WEAK 0x1(b8|c3)|CKR_PUBLIC_KEY_INVALID 0x1(b9|c4))$'
if diff our_values their_values | grep '^[<>]' | grep -v -E "$known"; then
  echo "these differ: < is pkcs11/cryptoki/cryptoki.h, > is p11-kit's header"
  exit 1
fi
echo "$(wc -l <numbers) numbers and $(wc -l <structures) structures are p11-kit's too"
[ "$(wc -l <numbers)" -ge 600 ] && [ "$(wc -l <structures)" -ge 15 ]
