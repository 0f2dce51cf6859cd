// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/session/object_factory.h"

#include "pkcs11/cryptoki/refusal.h"
#include "pkcs11/object/object_class.h"

namespace vtpm::pkcs11 {
namespace {

void check_object(const Session& session, const Attributes& shown, CK_RV unsaid) {
  const ObjectClass& object_class = object_class_row(shown);
  if (object_class.check) object_class.check(shown, unsaid);
  refuse_if(object_class.has(kOnlyAuthentic) && shown.flag(CKA_TOKEN) && session.token->login().who() == Who::kNobody,
            CKR_USER_NOT_LOGGED_IN, "objects of this class are written to the token after login only");
}

}  // namespace

void check_changed(const Session& session, const Attributes& shown) {
  check_object(session, shown, CKR_TEMPLATE_INCONSISTENT);
}

KeyMaking key_making(const Session& session) {
  return {session.token->config().placement, session.token->machine().engine(), session.token->login().who()};
}

Draft create_draft(const Session& session, const Template& object) {
  const Schema& schema = Schema::of(object);
  Draft draft = make_draft(schema, Making::kCreate, object, session.token->login().who());
  session.require_write(draft.is_token(), draft.is_private());
  check_object(session, draft.shown, CKR_TEMPLATE_INCOMPLETE);
  refuse_if(draft.shown.number(CKA_OBJECT_VALIDATION_FLAGS).value_or(0) != 0, CKR_ATTRIBUTE_VALUE_INVALID,
            "a validation object cannot be created: the token was not validated");
  if (const ObjectClass& object_class = object_class_row(draft.shown); object_class.complete) {
    object_class.complete(draft, key_making(session));
  }
  return draft;
}

Draft copy_draft(Session& session, const Object& object, const Template& changes) {
  refuse_if(!object.shown.flag(CKA_COPYABLE, true), CKR_ACTION_PROHIBITED, "CKA_COPYABLE of the object is CK_FALSE");
  refuse_if(object.nv_index() != 0, CKR_ACTION_PROHIBITED,
            "an NV area cannot be copied: read its value and create a data object");
  const Schema* schema = Schema::find(object.shown);
  refuse_if(!schema, CKR_ACTION_PROHIBITED, "the object is of a class that this version does not know");
  Draft draft{object.shown, session.token->catalogue().secret_of(object)};
  apply_changes(*schema, Changing::kCopy, changes, session.token->login().who(), draft);
  refuse_if(object.is_private() && !draft.is_private(), CKR_TEMPLATE_INCONSISTENT,
            "a private object cannot be copied to a public one");
  if (draft.shown.has(CKA_ALWAYS_SENSITIVE)) {
    // A copy is as sensitive as its original.
    draft.shown.set_flag(CKA_ALWAYS_SENSITIVE, object.shown.flag(CKA_ALWAYS_SENSITIVE));
  }
  draft.shown.erase(CKA_UNIQUE_ID);
  check_changed(session, draft.shown);
  session.require_write(draft.is_token(), draft.is_private());
  return draft;
}

}  // namespace vtpm::pkcs11
