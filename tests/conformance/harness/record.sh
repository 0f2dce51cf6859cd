# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Reads the records of the last run of the conformance tests (recorder.h), for the scripts that evaluate them.

# all_have_run RECORD PROGRAM…: fails and prints the names if tests of the programs have not run in this tree.
all_have_run() {
  local record=$1 missing
  missing=$(tests_of "${@:2}" | awk 'NR == FNR { if ($2 == "begin") ran[$1] = 1; next } !($1 in ran)' "$record" - |
    grep -v -E '^(FunctionList|Interfaces|Descriptions)') || return 0
  echo "These tests have not run in this tree, so nothing can be said (ctest -L conformance):"
  echo "$missing"
  return 1
}

# tests_of PROGRAM…: one Suite.Test a line.
tests_of() {
  local program
  for program in "$@"; do "$program" --gtest_list_tests; done |
    awk '/^[^ ]/ { suite = $1; next } /^ / { print suite $1 }'
}

# keep_last_runs RECORD: keeps the last run of each test and removes the lines of earlier runs.
keep_last_runs() {
  awk 'NR == FNR { if ($2 == "begin") last[$1]++; next } $2 == "begin" { run[$1]++ } run[$1] == last[$1]' \
    "$1" "$1" >"$1.last" && mv "$1.last" "$1"
}
