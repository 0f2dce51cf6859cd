// SPDX-License-Identifier: Apache-2.0
// A recovery phrase: 130 random bits that a person can write down, read out and type.
//
// Six groups of five symbols of Crockford's base32 ("0123456789ABCDEFGHJKMNPQRSTVWXYZ"): "6W7QK-…". The last four
// symbols are the check symbols of a Reed-Solomon code over GF(32), so up to four wrong symbols, among them any two
// that changed places, are noticed, and of a single one the place is known.
// When it is read, case, hyphens and blanks do not count, O is 0, I and L are 1. The secret of the key slot is the
// phrase as `generate` writes it.
#pragma once

#include <optional>
#include <string_view>

#include "base/bytes.h"

namespace vtpm::store {

/// 35 characters.
SecretBytes generate_recovery_phrase();

struct PhraseReading {
  enum class Verdict { kRight, kMistyped, kNotAPhrase } verdict = Verdict::kNotAPhrase;
  SecretBytes canonical;  // kRight
  /// kMistyped: the group (1 to 6) that is wrong, where only one symbol is, or where two neighbours have changed places
  /// (the group of the first). Of 30 random symbols about one in 1100 reads so; nothing: it may well be no phrase.
  std::optional<unsigned> group;
};
/// kNotAPhrase: it has another length, or a symbol that no phrase has.
PhraseReading read_recovery_phrase(ByteView typed);

/// What a recovery slot's secret is when this was typed: the phrase in its canonical form, or what was typed.
SecretBytes recovery_secret(ByteView typed);

}  // namespace vtpm::store
