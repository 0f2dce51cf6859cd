#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The manual pages are well-formed.
set -euo pipefail
cd "$1/docs/man"
for page in *.[1-8]; do
  mandoc -T lint -W warning "$page"
done
