#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# OpenSC's own test of fork, on which most modules fail: the child of an initialized, logged-in process calls C_Initialize.
. "$(dirname "$0")/client.sh"

make_token client
for _ in 1 2 3; do
  logged_in --test-fork 2>&1 | tee fork.out
  has fork.out 'C_Initialize in forked child'
  has_not fork.out 'CKR_|[Ff]ailed|Aborting'
done
