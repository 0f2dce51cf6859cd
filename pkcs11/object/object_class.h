// SPDX-License-Identifier: Apache-2.0
// The classes of objects (CKO_…; PKCS#11 3.2, 4.5 to 4.15), one row each. Code that depends on the class of an object
// asks the row; only the code that makes objects of one class, or searches for them, names the class.
//
// A new class is one row in object_class.cc, and its rules in attribute_tables.cc. Checks beyond the rules of single
// attributes are the row's `complete` and `check`, in a file of their own.
#pragma once

#include <cstdint>

#include "pkcs11/object/attribute.h"

namespace vtpm::pkcs11 {

struct Draft;      // schema.h
struct KeyMaking;  // key_factory.h

enum class KeyPart : uint8_t { kNone, kPublic, kPrivate, kSecret };

enum ClassMark : uint32_t {
  /// The objects describe the token. A search leaves them out unless its template has CKA_CLASS, because they are not
  /// what a user keeps there (4.5.1 and 4.13 require it for hardware features and mechanisms).
  kDescribesToken = 1 << 0,
  /// Their records have no index: the module reads the records when it opens the store, and compares them with the TPM
  /// at login.
  kReadAtOnce = 1 << 1,
  /// An object with CKA_TRUSTED cannot be changed (4.6: "Trusted certificates cannot be modified").
  kFixedByTrust = 1 << 2,
  /// Token objects are written after login only, and shown after login only, once the MAC of their record was checked,
  /// because trust that anyone could have written is worse than none (docs/format.md, "Clear entries").
  kOnlyAuthentic = 1 << 3,
  /// The CKA_VALUE of a private object is in the sealed part of its record.
  kValueIsSealed = 1 << 4,
  /// An application can create an object whose value is in an NV area of the TPM (nv_object.h).
  kMayBeInNv = 1 << 5,
  /// The objects are counters: their value is in an NV area and rises when it is read (4.5.2).
  kCounts = 1 << 6,
  /// An object is visible only while what it claims is true of the token (pkcs11/token/profiles.cc).
  kComesAndGoes = 1 << 7,
};

struct ObjectClass {
  CK_OBJECT_CLASS type;
  /// The attribute that distinguishes the kinds of the class; 0 for a class of one kind.
  CK_ATTRIBUTE_TYPE kind_attribute = 0;
  KeyPart key = KeyPart::kNone;
  uint32_t marks = 0;  // ClassMark
  /// C_CreateObject: completes what the template implies, and imports keys. Throws Refusal with the template's error.
  /// Null: there is nothing to complete.
  void (*complete)(Draft& draft, const KeyMaking& making) = nullptr;
  /// Checks an object that a template has created, changed or copied. `unsaid` is the code for a missing attribute,
  /// because a change cannot be incomplete (4.1.2). Throws Refusal. Null: there is nothing to check.
  void (*check)(const Attributes& shown, CK_RV unsaid) = nullptr;

  bool has(ClassMark mark) const { return (marks & mark) != 0; }
};

/// The row of a class. A class that this version does not know has a row without marks. Static.
const ObjectClass& object_class_row(CK_OBJECT_CLASS object_class);
/// The row of an object, by its CKA_CLASS.
const ObjectClass& object_class_row(const Attributes& object);

}  // namespace vtpm::pkcs11
