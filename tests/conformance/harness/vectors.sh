#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Checks that every mechanism of the module has a test vector, or a reason in tests/data/conformance/vectors.txt why there can be
# none, and that docs/vectors.md agrees. Reads the records of the last run of the conformance tests.
#
# vectors.sh SOURCE RECORD VTPM-TOKEN PROGRAM…; with --markdown before them it prints the tables of the page.
set -euo pipefail
page=0
if [ "$1" = --markdown ]; then page=1 && shift; fi
source=$1 record=$2 token=$3
shift 3
. "$source/tests/conformance/harness/record.sh"
mechanisms=$("$token" mechanisms --json | jq -r '.[] | "\(.number) \(.name)"')
tests=$(tests_of "$@")
judge() {
  awk -v page="$1" -f "$source/tests/conformance/harness/vectors.awk" \
    <(echo "$mechanisms") "$source/tests/data/conformance/vectors.txt" <(echo "$tests") "$record"
}

all_have_run "$record" "$@"
keep_last_runs "$record"
if [ "$page" = 1 ]; then judge 1 && exit; fi
judge 0
difference=$(diff <(sed -n '/^| data file |/,$p' "$source/docs/vectors.md") <(judge 1)) || {
  echo "$difference"
  echo "Put the output of 'tests/conformance/harness/vectors.sh --markdown $source $record $token $*' into docs/vectors.md."
  exit 1
}
