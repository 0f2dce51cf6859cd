#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Checks that every return value that PKCS#11 3.2 lists for a function was produced by a test or has a reason why it cannot
# occur, and that docs/return-values.md agrees. Reads the records of the last run of the conformance tests.
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
