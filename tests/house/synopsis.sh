#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# docs/man/vtpm-token.1 has the synopsis of the commands that there are: `vtpm-token --print-synopsis` between the two marks.
set -euo pipefail
page=$1/docs/man/vtpm-token.1
difference=$(diff <(sed -n '/^\.\\" synopsis: /,/^\.\\" end of the synopsis$/p' "$page" | sed '1d;$d') <("$2" --print-synopsis)) || {
  echo "$difference"
  echo "Put the output of 'vtpm-token --print-synopsis' between the marks in docs/man/vtpm-token.1."
  exit 1
}
[ "$("$2" --print-synopsis | grep -c '^\.Nm$')" -gt 30 ]
