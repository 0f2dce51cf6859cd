// SPDX-License-Identifier: Apache-2.0
// Recovery phrases: 130 random bits that a user can write down, read aloud and type.
//
// A phrase has six groups of five symbols of Crockford's base32 ("0123456789ABCDEFGHJKMNPQRSTVWXYZ"): "6W7QK-...". The
// last four symbols are the check symbols of a Reed-Solomon code over GF(32). Up to four wrong symbols are detected,
// and so are any two that were exchanged; the place of a single wrong one is found. Reading ignores case, hyphens and
// blanks, and takes O for 0 and I and L for 1. The secret of the key slot is the phrase as `generate_recovery_phrase`
// writes it.
#pragma once

#include <optional>
#include <string_view>

#include "base/bytes.h"

namespace vtpm::store {

/// Returns a new phrase, 35 characters with the hyphens.
SecretBytes generate_recovery_phrase();

struct PhraseReading {
  enum class Verdict { kRight, kMistyped, kNotAPhrase } verdict = Verdict::kNotAPhrase;
  SecretBytes canonical;  // of kRight: the phrase as `generate_recovery_phrase` writes it
  /// Of kMistyped: the group (1 to 6) of the wrong symbol, or of the first of two neighbours that were exchanged, if
  /// either explains the error. About one in 1100 random texts of 30 symbols reads so; without a group it may well be
  /// no phrase at all.
  std::optional<unsigned> group;
};
/// Reads what was typed. kNotAPhrase: it has another length, or a symbol that no phrase has.
PhraseReading read_recovery_phrase(ByteView typed);

/// Returns the secret of a recovery key slot for what was typed: the canonical phrase, or else the bytes as they are.
SecretBytes recovery_secret(ByteView typed);

}  // namespace vtpm::store
