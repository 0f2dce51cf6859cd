// SPDX-License-Identifier: Apache-2.0
// Which objects may match a template, without looking at all of them.
//
// By the values that applications search with. Objects without tags are indexed by hashes of what they show (CKA_CLASS,
// CKA_ID, CKA_LABEL, CKA_SUBJECT, CKA_SERIAL_NUMBER, CKA_UNIQUE_ID); those whose record has tags by these, which are
// HMACs (of a sealed record) or digests (of a clear one) of the same and of CKA_KEY_TYPE, the unique id excepted.
// Whoever asks compares the objects themselves.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <unordered_map>
#include <vector>

#include "pkcs11/object/attribute.h"
#include "store/format/blind_index.h"

namespace vtpm::pkcs11 {

/// What an object is to be found by while its record is not read. Empty: it is not, and its record is read at once.
std::vector<store::Property> properties_of(const Attributes& shown);

class ObjectIndex {
 public:
  using Handles = std::vector<CK_OBJECT_HANDLE>;  // ascending
  using Tagger = std::function<store::BlindTag(const store::Property&)>;

  /// What is there already stays there once.
  void add(CK_OBJECT_HANDLE handle, const Attributes& shown);
  void add(CK_OBJECT_HANDLE handle, const std::vector<store::BlindTag>& tags);
  /// So many with tags will come at once.
  void make_room(size_t objects);
  /// With the same attributes or tags as it was added; what it has in `kept` too stays. Both allocate nothing.
  void remove(CK_OBJECT_HANDLE handle, const Attributes& shown, const Attributes& kept = {});
  void remove(CK_OBJECT_HANDLE handle, const std::vector<store::BlindTag>& tags,
              const std::vector<store::BlindTag>& kept = {});

  /// Handles among which every match is; nothing when the template has no value to go by. Of those added with
  /// attributes:
  std::optional<Handles> candidates(const Template& wanted) const;
  /// Of those added with tags:
  std::optional<Handles> tagged_candidates(const Template& wanted, const Tagger& tag) const;

 private:
  /// Tags come from a file that anybody may have written, and must not fall into one bucket at its writer's will.
  class Spread {
   public:
    Spread();
    size_t operator()(uint64_t key) const noexcept { return static_cast<size_t>(key * factor_ >> 32); }

   private:
    uint64_t factor_;
  };
  using Postings = std::unordered_map<uint64_t, Handles, Spread>;
  static void add(Postings& postings, uint64_t key, CK_OBJECT_HANDLE handle);
  static void remove(Postings& postings, uint64_t key, CK_OBJECT_HANDLE handle);

  Postings by_value_, by_tag_;
};

}  // namespace vtpm::pkcs11
