#!/bin/bash
# Every return value that PKCS#11 3.2 lists for a function was met by a test, or there is a reason why it can not occur;
# and docs/return-values.md says so. Reads what the conformance tests have noted when they ran last.
#
# return_values.sh SOURCE RECORD PROGRAM…; with --markdown before them it prints the table of the page.
set -euo pipefail
page=0
if [ "$1" = --markdown ]; then page=1 && shift; fi
source=$1 record=$2
shift 2
judge() { awk -v page="$1" -f "$source/tests/conformance/return_values.awk" "$source/tests/data/conformance/return_values.txt" "$record"; }

missing=$(for program in "$@"; do "$program" --gtest_list_tests; done | awk '
  NR == FNR { if ($2 == "begin") ran[$1] = 1; next }
  /^[^ ]/ { suite = $1; next }
  /^ / { if (!((suite $1) in ran)) print suite $1 }' "$record" - | grep -v -E '^(FunctionList|Interfaces|Descriptions)' || true)
if [ -n "$missing" ]; then
  echo "These tests have not run in this tree, so nothing can be said (ctest -L conformance):"
  echo "$missing"
  exit 1
fi
if [ "$page" = 1 ]; then judge 1 && exit; fi
# Only the last run of each test counts; what earlier ones noted is thrown away.
awk 'NR == FNR { if ($2 == "begin") last[$1]++; next } $2 == "begin" { run[$1]++ } run[$1] == last[$1]' \
  "$record" "$record" >"$record.last" && mv "$record.last" "$record"
judge 0
difference=$(diff <(sed -n '/^| function |/,$p' "$source/docs/return-values.md" | sed '1,2d') <(judge 1)) || {
  echo "$difference"
  echo "Put the output of 'tests/conformance/return_values.sh --markdown $source $record $*' into docs/return-values.md."
  exit 1
}
