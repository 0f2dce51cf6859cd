// Which objects may match a template, without looking at all of them.
//
// By the values that applications search with. Objects that were looked into are indexed by hashes of what they show
// (CKA_ID, CKA_LABEL, CKA_SUBJECT, CKA_SERIAL_NUMBER, CKA_UNIQUE_ID); those whose record is still sealed by the tags of
// its blind index, which are HMACs of the same and of CKA_CLASS and CKA_KEY_TYPE. Whoever asks compares the objects
// themselves.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <unordered_map>
#include <vector>

#include "pkcs11/attribute.h"
#include "store/blind_index.h"

namespace vtpm::pkcs11 {

/// What a private object is to be found by while its record is sealed. Empty: it is not, and is loaded at login.
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
  using Postings = std::unordered_map<uint64_t, Handles>;
  static void add(Postings& postings, uint64_t key, CK_OBJECT_HANDLE handle);
  static void remove(Postings& postings, uint64_t key, CK_OBJECT_HANDLE handle);

  Postings by_value_, by_tag_;
};

}  // namespace vtpm::pkcs11
