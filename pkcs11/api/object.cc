// SPDX-License-Identifier: Apache-2.0
// Object management functions (PKCS#11 3.2, 5.7).
#include <algorithm>
#include <deque>

#include "pkcs11/api/entry.h"
#include "pkcs11/cryptoki/function_list.h"
#include "pkcs11/object/key_kind.h"
#include "pkcs11/session/lookup.h"
#include "pkcs11/session/object_factory.h"

using namespace vtpm;          // NOLINT: the C functions of this file are outside of every namespace
using namespace vtpm::pkcs11;  // NOLINT

namespace {

struct FindOperation {
  std::deque<CK_OBJECT_HANDLE> found;  // the objects that C_FindObjects has not returned yet
};
constexpr Running<FindOperation> kFinding{OperationKind::kFind};

CK_OBJECT_HANDLE publish(Session& session, Draft draft) {
  std::vector<Draft> drafts;
  drafts.push_back(std::move(draft));
  return session.token->catalogue().add(std::move(drafts), session.handle).front();
}

void require_modifiable(const Object& object) {
  refuse_if(!object.shown.flag(CKA_MODIFIABLE, true), CKR_ACTION_PROHIBITED,
            "CKA_MODIFIABLE of the object is CK_FALSE");
}

/// The encoding of CKA_EC_POINT for Edwards and Montgomery keys: a DER OCTET STRING for the function lists before 3.2,
/// whose applications expect it for every curve, and the bare bytes for the list of 3.2.
enum class PointForm { kOctetString, kBare };

/// Whether the object stores its point in an OCTET STRING, as objects on Weierstrass curves do.
bool is_octet_string(const Object& key) {
  const KeyKind* const kind = find_kind(key.shown.number(CKA_KEY_TYPE).value_or(CK_UNAVAILABLE_INFORMATION));
  return !kind || !kind->bare_point;
}

/// The code to return if several attributes fail, in the standard's order.
CK_RV worse(CK_RV a, CK_RV b) {
  constexpr CK_RV kOrder[] = {CKR_ATTRIBUTE_SENSITIVE, CKR_ATTRIBUTE_TYPE_INVALID, CKR_BUFFER_TOO_SMALL, CKR_OK};
  return *std::min_element(std::begin(kOrder), std::end(kOrder),
                           [&](CK_RV x, CK_RV y) { return (x == a || x == b) && !(y == a || y == b); });
}

CK_RV fill_value(ByteView value, CK_ATTRIBUTE& row, size_t room) {
  row.ulValueLen = CK_UNAVAILABLE_INFORMATION;
  if (row.pValue) {
    if (room < value.size()) return CKR_BUFFER_TOO_SMALL;
    std::copy(value.begin(), value.end(), static_cast<uint8_t*>(row.pValue));
  }
  row.ulValueLen = value.size();
  return CKR_OK;
}

/// C_GetAttributeValue (PKCS#11 3.2, 5.7) for an attribute that is a template: fills in the types and values of the
/// caller's array.
CK_RV fill_template(ByteView value, CK_ATTRIBUTE& row, size_t room) {
  const Attributes attributes = decode_template(value);
  const size_t size = attributes.size() * sizeof(CK_ATTRIBUTE);
  row.ulValueLen = CK_UNAVAILABLE_INFORMATION;
  if (row.pValue && room < size) return CKR_BUFFER_TOO_SMALL;
  row.ulValueLen = size;
  if (!row.pValue) return CKR_OK;
  CK_RV result = CKR_OK;
  auto* to = static_cast<char*>(row.pValue);
  for (const auto& [type, bytes] : attributes) {
    CK_ATTRIBUTE inner;
    std::memcpy(&inner, to, sizeof inner);  // may be unaligned
    const AttributeRow* known = attribute_row(type);
    inner.type = type;
    result = worse(result, known && known->form == Form::kTemplate ? fill_template(bytes, inner, inner.ulValueLen)
                                                                   : fill_value(bytes, inner, inner.ulValueLen));
    std::memcpy(to, &inner, sizeof inner);
    to += sizeof inner;
  }
  return result;
}

/// C_GetAttributeValue (PKCS#11 3.2, 5.7): the five cases.
CK_RV fill_attribute(Session& session, const Object& object, PointForm form, CK_ATTRIBUTE& row) {
  const size_t room = row.ulValueLen;
  Reading reading = fetch_attribute(session, object, row.type, row.pValue ? room : 0);
  if (row.type == CKA_EC_POINT && reading.rv == CKR_OK && form == PointForm::kOctetString && !is_octet_string(object)) {
    reading.kept = SecretBytes(octet_string(reading.value));
    reading.value = reading.kept;
  }
  row.ulValueLen = CK_UNAVAILABLE_INFORMATION;
  if (reading.rv != CKR_OK) return reading.rv;
  const AttributeRow* known = attribute_row(row.type);
  return known && known->form == Form::kTemplate ? fill_template(reading.value, row, room)
                                                 : fill_value(reading.value, row, room);
}

CK_RV get_attribute_value(CK_SESSION_HANDLE handle, CK_OBJECT_HANDLE object, CK_ATTRIBUTE* rows, CK_ULONG count,
                          PointForm form) {
  return call_session("C_GetAttributeValue", handle, [&](Module&, Session& session) {
    refuse_if(!rows && count > 0, CKR_ARGUMENTS_BAD, "the template is a null pointer");
    refuse_if(count > kMostTemplateRows, CKR_ARGUMENTS_BAD, "the template has too many attributes (at most 1024)");
    const ObjectPtr found = require_object(session, object);
    CK_RV result = CKR_OK;
    for (CK_ULONG i = 0; i < count; ++i) result = worse(result, fill_attribute(session, *found, form, rows[i]));
    return result;
  });
}

bool matches(Session& session, const Object& object, const Template& wanted) {
  return std::all_of(wanted.begin(), wanted.end(),
                     [&](const Template::Row& row) { return has_value(session, object, row.type, row.value); });
}

/// Whether a template identifies objects and not only a kind of objects. An application that lists certificates or
/// public keys must not find those of the TPM itself (docs/pkcs11.md, "What the TPM holds"); one that identifies such
/// an object must find it.
bool names_objects(const Template& wanted) {
  constexpr CK_ATTRIBUTE_TYPE kNames[] = {CKA_LABEL, CKA_ID, CKA_VALUE, CKA_SUBJECT, CKA_SERIAL_NUMBER};
  return std::any_of(std::begin(kNames), std::end(kNames),
                     [&](CK_ATTRIBUTE_TYPE name) { return !wanted.get(name).empty(); }) ||
         std::any_of(wanted.begin(), wanted.end(),
                     [](const Template::Row& row) { return row.type == CKA_UNIQUE_ID || is_vtpm_attribute(row.type); });
}

void search(Session& session, const Template& wanted, std::deque<CK_OBJECT_HANDLE>& found) {
  if (wanted.contradicts_itself()) return;
  const bool names_class = wanted.has(CKA_CLASS);
  const bool shows_hidden = session.token->config().list_tpm_objects || names_objects(wanted);
  for (const ObjectPtr& object : session.token->catalogue().objects_for(wanted)) {
    if (!names_class && object_class_row(object->shown).has(kDescribesToken)) continue;
    if (object->hidden && !shows_hidden) continue;
    if (matches(session, *object, wanted)) found.push_back(object->handle);
  }
}

/// A search for a label that is padded with NULs finds objects whose template had that label, which is stored without
/// the NULs, and objects of older versions, which stored them.
std::deque<CK_OBJECT_HANDLE> search(Session& session, Template wanted) {
  std::deque<CK_OBJECT_HANDLE> found;
  search(session, wanted, found);
  if (wanted.trim_label()) search(session, wanted, found);
  return found;
}

}  // namespace

CK_RV C_CreateObject(CK_SESSION_HANDLE handle, CK_ATTRIBUTE* rows, CK_ULONG count, CK_OBJECT_HANDLE* object) {
  return call_session("C_CreateObject", handle, [&](Module&, Session& session) {
    CK_OBJECT_HANDLE& out = require(object);
    require(rows);
    out = publish(session, create_draft(session, Template(rows, count)));
    return CKR_OK;
  });
}

CK_RV C_CopyObject(CK_SESSION_HANDLE handle, CK_OBJECT_HANDLE object, CK_ATTRIBUTE* rows, CK_ULONG count,
                   CK_OBJECT_HANDLE* copy) {
  return call_session("C_CopyObject", handle, [&](Module&, Session& session) {
    CK_OBJECT_HANDLE& out = require(copy);
    const Template changes(rows, count);
    const ObjectPtr original = require_object(session, object);
    out = publish(session, copy_draft(session, *original, changes));
    return CKR_OK;
  });
}

CK_RV C_DestroyObject(CK_SESSION_HANDLE handle, CK_OBJECT_HANDLE object) {
  return call_session("C_DestroyObject", handle, [&](Module&, Session& session) {
    const ObjectPtr found = require_object(session, object);
    session.require_write(found->is_token(), found->is_private());
    refuse_if(!found->shown.flag(CKA_DESTROYABLE, true), CKR_ACTION_PROHIBITED,
              "CKA_DESTROYABLE of the object is CK_FALSE");
    session.token->catalogue().destroy(object);
    return CKR_OK;
  });
}

CK_RV C_GetObjectSize(CK_SESSION_HANDLE handle, CK_OBJECT_HANDLE object, CK_ULONG* size) {
  return call_session("C_GetObjectSize", handle, [&](Module&, Session& session) {
    CK_ULONG& out = require(size);
    const ObjectPtr found = require_object(session, object);
    const SecretAttributes secret = session.token->catalogue().secret_of(*found);
    out = found->shown.total() + secret.total() + sizeof(CK_ATTRIBUTE_TYPE) * (found->shown.size() + secret.size());
    return CKR_OK;
  });
}

CK_RV C_GetAttributeValue(CK_SESSION_HANDLE handle, CK_OBJECT_HANDLE object, CK_ATTRIBUTE* rows, CK_ULONG count) {
  return get_attribute_value(handle, object, rows, count, PointForm::kOctetString);
}

CK_RV vtpm::pkcs11::get_attribute_value_3_2(CK_SESSION_HANDLE handle, CK_OBJECT_HANDLE object, CK_ATTRIBUTE* rows,
                                            CK_ULONG count) {
  return get_attribute_value(handle, object, rows, count, PointForm::kBare);
}

CK_RV C_SetAttributeValue(CK_SESSION_HANDLE handle, CK_OBJECT_HANDLE object, CK_ATTRIBUTE* rows, CK_ULONG count) {
  return call_session("C_SetAttributeValue", handle, [&](Module&, Session& session) {
    refuse_if(!rows, CKR_ARGUMENTS_BAD, "the template is a null pointer");
    const Template changes(rows, count);
    const ObjectPtr found = require_object(session, object);
    session.require_write(found->is_token(), found->is_private());
    require_modifiable(*found);
    const Schema* schema = Schema::find(found->shown);
    refuse_if(!schema, CKR_ACTION_PROHIBITED, "the object is of a class that this version does not know");
    const Who who = session.token->login().who();
    session.token->catalogue().change(object, [&](Draft& draft) {
      apply_changes(*schema, Changing::kSet, changes, who, draft);
      check_changed(session, draft.shown);
    });
    return CKR_OK;
  });
}

CK_RV C_FindObjectsInit(CK_SESSION_HANDLE handle, CK_ATTRIBUTE* rows, CK_ULONG count) {
  return call_session("C_FindObjectsInit", handle, [&](Module&, Session& session) {
    require_none(session, kFinding);
    session.operations.start(kFinding, FindOperation{search(session, Template::for_search(rows, count))});
    return CKR_OK;
  });
}

CK_RV C_FindObjects(CK_SESSION_HANDLE handle, CK_OBJECT_HANDLE* objects, CK_ULONG most, CK_ULONG* count) {
  return call_session("C_FindObjects", handle, [&](Module&, Session& session) {
    std::deque<CK_OBJECT_HANDLE>& found = require_operation(session, kFinding).found;
    CK_ULONG& out = require(count);
    refuse_if(!objects && most > 0, CKR_ARGUMENTS_BAD, "the array of handles is a null pointer");
    out = std::min<CK_ULONG>(most, found.size());
    std::copy_n(found.begin(), out, objects);
    found.erase(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(out));
    return CKR_OK;
  });
}

CK_RV C_FindObjectsFinal(CK_SESSION_HANDLE handle) {
  return call_session("C_FindObjectsFinal", handle, [&](Module&, Session& session) {
    require_operation(session, kFinding);
    session.operations.end(kFinding.kind);
    return CKR_OK;
  });
}
