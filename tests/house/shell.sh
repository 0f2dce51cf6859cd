#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# No shell script has anything that shellcheck calls an error or a warning.
set -euo pipefail
cd "$1"
grep -r -l -I -E '^#!/bin/(ba)?sh|^# shellcheck shell=' quickstart check .ci scripts tests conf debian |
  # SC2154: `scratch` comes from client.sh, which is found at run time.
  xargs shellcheck --severity=warning --external-sources --exclude=SC2154
