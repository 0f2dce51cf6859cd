#!/bin/bash
# Every C++ file of the tree is as clang-format (the version of Debian 12: 14) writes it.
set -euo pipefail
cd "$1"
find crypto store tpm pkcs11 tools tests -name '*.cc' -print0 -o -name '*.h' -print0 |
  xargs -0 clang-format --dry-run --Werror
