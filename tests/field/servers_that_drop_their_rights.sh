#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A server starts as root, with a store of root's, and forks workers that are somebody else, or live below another root.
# The users are those of a namespace, so that anybody can run this.
. "$(dirname "$0")/own_namespace.sh"
set -eu

"$VTPM_PROGRAMS/field_servers" --gtest_brief=1
