// SPDX-License-Identifier: Apache-2.0
// The file form of a wrapped TPM key that other programs share: "TSS2 PRIVATE KEY" (draft-bottomley-tpm2-keys), which
// tpm2-tools, tpm2-tss-engine and tpm2-openssl read and write.
//
//   TPMKey ::= SEQUENCE {
//     type        OBJECT IDENTIFIER,                     -- loadable 2.23.133.10.1.3, importable …1.4
//     emptyAuth   [0] EXPLICIT BOOLEAN OPTIONAL,
//     policy      [1] EXPLICIT SEQUENCE … OPTIONAL,      -- refused: the token cannot satisfy it
//     secret      [2] EXPLICIT OCTET STRING OPTIONAL,    -- of importable keys
//     authPolicy  [3] EXPLICIT … OPTIONAL,               -- and further optional fields, which are skipped
//     parent      INTEGER,
//     pubkey      OCTET STRING,                          -- TPM2B_PUBLIC
//     privkey     OCTET STRING }                         -- TPM2B_PRIVATE
#pragma once

#include <string>

#include "tpm/use/key_transfer.h"

namespace vtpm::tools {

struct TssKey {
  tpm::WrappedKey key;
  bool empty_auth = false;
};

std::string to_pem(const TssKey& key);
/// Parses PEM or its DER. Throws Error: kCorrupt if `text` is neither, or has another structure; kUnsupported for
/// sealed data or a policy.
TssKey parse_tss_key(ByteView text);

}  // namespace vtpm::tools
