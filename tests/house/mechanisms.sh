#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# docs/pkcs11.md has the table of mechanisms that the module has: `vtpm-token mechanisms --markdown` between the two marks.
set -euo pipefail
page=$1/docs/pkcs11.md
difference=$(diff <(sed -n '/^<!-- mechanisms -->$/,/^<!-- end of mechanisms -->$/p' "$page" | sed '1d;$d') <("$2" mechanisms --markdown)) || {
  echo "$difference"
  echo "Put the output of 'vtpm-token mechanisms --markdown' between the marks in docs/pkcs11.md."
  exit 1
}
[ "$("$2" mechanisms --json | jq length)" -gt 100 ]
