// SPDX-License-Identifier: Apache-2.0
// Which objects may match a template, without looking at all of them.
//
// The index goes by the values that applications search for. Objects without tags are indexed by hashes of what they
// show (CKA_CLASS, CKA_ID, CKA_LABEL, CKA_SUBJECT, CKA_SERIAL_NUMBER, CKA_UNIQUE_ID). Objects whose record has tags are
// indexed by the tags, which are HMACs (in a sealed record) or digests (in a clear one) of the same attributes and
// CKA_KEY_TYPE, without CKA_UNIQUE_ID. The results are candidates: the caller compares the objects themselves.
//
// Not thread-safe; the mutex of the catalogue guards it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <unordered_map>
#include <vector>

#include "pkcs11/object/attribute.h"
#include "store/format/blind_index.h"

namespace vtpm::pkcs11 {

/// The properties by which an object is found while its record is not read. Empty: the object has no index, and its
/// record is read at once.
std::vector<store::Property> properties_of(const Attributes& shown);

class ObjectIndex {
 public:
  using Handles = std::vector<CK_OBJECT_HANDLE>;  // ascending
  using Tagger = std::function<store::BlindTag(const store::Property&)>;

  /// Adding what the index has already changes nothing.
  void add(CK_OBJECT_HANDLE handle, const Attributes& shown);
  void add(CK_OBJECT_HANDLE handle, const std::vector<store::BlindTag>& tags);
  /// Reserves memory for so many objects with tags.
  void make_room(size_t objects);
  /// Removes an object, by the attributes or tags with which it was added; those that are also in `kept` stay. Both
  /// functions allocate nothing.
  void remove(CK_OBJECT_HANDLE handle, const Attributes& shown, const Attributes& kept = {});
  void remove(CK_OBJECT_HANDLE handle, const std::vector<store::BlindTag>& tags,
              const std::vector<store::BlindTag>& kept = {});

  /// The handles of all objects added with attributes that can match; nothing if the template has no indexed attribute.
  std::optional<Handles> candidates(const Template& wanted) const;
  /// The same for objects added with tags.
  std::optional<Handles> tagged_candidates(const Template& wanted, const Tagger& tag) const;

 private:
  /// Tags come from a file that an attacker may have written, who must not be able to put all of them into one bucket.
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
