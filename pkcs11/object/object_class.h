// SPDX-License-Identifier: Apache-2.0
// The classes of objects (CKO_…; PKCS#11 3.2, 4.5 to 4.15): one row each. No other place lists them: who needs to know
// something of an object's class asks its row.
//
// A new class is one row in object_class.cc, and its rules in attribute_tables.cc. What its objects must be beyond the
// rules of single attributes is the row's `complete` and `check`, in a file of their own.
#pragma once

#include <cstdint>

#include "pkcs11/object/attribute.h"

namespace vtpm::pkcs11 {

struct Draft;      // schema.h
struct KeyMaking;  // key_factory.h

enum class KeyPart : uint8_t { kNone, kPublic, kPrivate, kSecret };

enum ClassMark : uint32_t {
  /// The objects describe the token. A search leaves them out unless its template has CKA_CLASS: they are nothing that
  /// a user keeps there (4.5.1 and 4.13 say so for hardware features and mechanisms).
  kDescribesToken = 1 << 0,
  /// Their records have no index: the token reads them at once, and compares them with the TPM at login.
  kReadAtOnce = 1 << 1,
  /// With CKA_TRUSTED nothing of them changes (4.6: "Trusted certificates cannot be modified").
  kFixedByTrust = 1 << 2,
  /// On the token they are shown after login only, when the MAC of their record was checked, and written after login
  /// only: trust that anyone could have written is worse than none (docs/format.md, "Clear entries").
  kOnlyAuthentic = 1 << 3,
  /// CKA_VALUE of a private one is in the sealed part of its record.
  kValueIsSealed = 1 << 4,
  /// Their value may be in an NV area of the TPM (nv_object.h).
  kMayBeInNv = 1 << 5,
  /// They are counters: their value is in an NV area, and it rises when it is read (4.5.2).
  kCounts = 1 << 6,
  /// The token has them only as long as they are true of it (pkcs11/token/profiles.cc).
  kComesAndGoes = 1 << 7,
};

struct ObjectClass {
  CK_OBJECT_CLASS type;
  /// The attribute that says which kind of the class an object is; 0 for classes of one kind.
  CK_ATTRIBUTE_TYPE kind_attribute = 0;
  KeyPart key = KeyPart::kNone;
  uint32_t marks = 0;  // ClassMark
  /// C_CreateObject: completes what the template implies; imports keys. Throws Refusal with the template's error. Null:
  /// there is nothing to complete.
  void (*complete)(Draft& draft, const KeyMaking& making) = nullptr;
  /// What a template made of an object, when it is created, changed or copied. `unsaid` is the code for what the
  /// template leaves out, since a change cannot be incomplete (4.1.2). Throws Refusal. Null: there is nothing to check.
  void (*check)(const Attributes& shown, CK_RV unsaid) = nullptr;

  bool has(ClassMark mark) const { return (marks & mark) != 0; }
};

/// The row of a class. A class that this version does not know has a row without marks.
const ObjectClass& object_class_row(CK_OBJECT_CLASS object_class);
/// The row of an object, by its CKA_CLASS.
const ObjectClass& object_class_row(const Attributes& object);

}  // namespace vtpm::pkcs11
