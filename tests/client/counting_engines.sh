#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# An application's OpenSSL has counting engines as defaults: no call of the module reaches them.
. "$(dirname "$0")/client.sh"

make_token client
"$VTPM_PROGRAMS/counting_engines" "$VTPM_MODULE" client
