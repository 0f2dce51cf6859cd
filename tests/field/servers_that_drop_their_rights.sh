#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A server starts as root, with a store that belongs to root, and forks workers that become another user or change their root
# directory. The users are those of a namespace, so that every user can run this.
. "$(dirname "$0")/own_namespace.sh"
set -eu

"$VTPM_PROGRAMS/field_servers" --gtest_brief=1
