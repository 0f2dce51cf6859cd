#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every return value that PKCS#11 3.2 lists for a function was met by a test, or there is a reason why it can not occur;
# and docs/return-values.md says so. Reads what the conformance tests have noted when they ran last.
#
# return_values.sh SOURCE RECORD PROGRAM…; with --markdown before them it prints the table of the page.
set -euo pipefail
page=0
if [ "$1" = --markdown ]; then page=1 && shift; fi
source=$1 record=$2
shift 2
. "$source/tests/conformance/harness/record.sh"
judge() { awk -v page="$1" -f "$source/tests/conformance/harness/return_values.awk" "$source/tests/data/conformance/return_values.txt" "$record"; }

all_have_run "$record" "$@"
if [ "$page" = 1 ]; then judge 1 && exit; fi
keep_last_runs "$record"
judge 0
difference=$(diff <(sed -n '/^| function |/,$p' "$source/docs/return-values.md" | sed '1,2d') <(judge 1)) || {
  echo "$difference"
  echo "Put the output of 'tests/conformance/harness/return_values.sh --markdown $source $record $*' into docs/return-values.md."
  exit 1
}
