#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# An application whose OpenSSL has counting engines as defaults sees not one call of the module.
. "$(dirname "$0")/client.sh"

make_token client
"$VTPM_PROGRAMS/counting_engines" "$VTPM_MODULE" client
