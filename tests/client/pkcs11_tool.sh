#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# OpenSC's own test of a module: digests, signatures, verification, unwrapping and decryption with every key it finds.
. "$(dirname "$0")/client.sh"

make_token client
logged_in --keypairgen --key-type rsa:2048 --id 01 --label rsa
logged_in --keypairgen --key-type EC:prime256v1 --id 02 --label ec

section 'pkcs11-tool --test --login'
logged_in --test 2>&1 | tee test.out
# The test continues after an error and reports it at the end.
has test.out '^No errors'
has_not test.out 'ERR|^error|failed|Aborting'

section 'wrong PIN, and what is seen without one'
PIN=000000 refused logged_in --list-objects
has refused.out CKR_PIN_INCORRECT
in_token --list-objects >public.out
has public.out 'Public Key Object'
has_not public.out 'Private Key Object'
logged_in --list-objects >private.out
has private.out 'Private Key Object'

section 'a changed PIN'
logged_in --change-pin --new-pin 161803
refused logged_in --list-objects
PIN=161803 logged_in --list-objects >/dev/null
