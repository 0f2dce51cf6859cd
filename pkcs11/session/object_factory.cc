// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/session/object_factory.h"

#include "crypto/hash/digest.h"
#include "pkcs11/cryptoki/refusal.h"
#include "pkcs11/object/certificate_object.h"
#include "pkcs11/object/nv_object.h"
#include "pkcs11/object/secret_key.h"

namespace vtpm::pkcs11 {
namespace {

constexpr CK_ATTRIBUTE_TYPE kTrusts[] = {CKA_TRUST_SERVER_AUTH,      CKA_TRUST_CLIENT_AUTH, CKA_TRUST_CODE_SIGNING,
                                         CKA_TRUST_EMAIL_PROTECTION, CKA_TRUST_IPSEC_IKE,   CKA_TRUST_TIME_STAMPING,
                                         CKA_TRUST_OCSP_SIGNING};

/// 3.2, 4.7. To vouch for a certificate one must say which one it is; to distrust all of a name and number one need
/// not. `unsaid`: the answer to one who does not, since a change can not be incomplete (4.1.2).
void check_trust(const Attributes& shown, CK_RV unsaid) {
  bool vouches = false;
  for (const CK_ATTRIBUTE_TYPE use : kTrusts) {
    const CK_TRUST trust = shown.number(use).value_or(CKT_TRUST_UNKNOWN);
    refuse_if(trust > CKT_TRUST_MUST_VERIFY_TRUST, CKR_ATTRIBUTE_VALUE_INVALID, "there is no such trust");
    vouches = vouches || (trust != CKT_TRUST_UNKNOWN && trust != CKT_NOT_TRUSTED);
  }
  const auto algorithm = shown.number(CKA_NAME_HASH_ALGORITHM);
  const auto hash = digest_of_mechanism(algorithm.value_or(CKM_SHA_1));
  const size_t octets = shown.get(CKA_HASH_OF_CERTIFICATE).size();
  refuse_if(vouches && (octets == 0 || !algorithm), unsaid,
            "trust needs CKA_HASH_OF_CERTIFICATE and CKA_NAME_HASH_ALGORITHM");
  refuse_if(!hash || (octets != 0 && octets != crypto::hash_octets(*hash)), CKR_ATTRIBUTE_VALUE_INVALID,
            "CKA_HASH_OF_CERTIFICATE is not a digest by CKA_NAME_HASH_ALGORITHM");
}

void check_object(const Session& session, const Attributes& shown, CK_RV unsaid) {
  if (shown.number(CKA_CLASS) == CKO_CERTIFICATE) check_trusted_certificate(shown);
  if (shown.number(CKA_CLASS) != CKO_TRUST) return;
  check_trust(shown, unsaid);
  // Without the key the record has no MAC, and trust without one is shown to nobody (docs/format.md, "Clear entries").
  refuse_if(shown.flag(CKA_TOKEN) && session.token->who() == Who::kNobody, CKR_USER_NOT_LOGGED_IN,
            "trust on the token is written after login only");
}

}  // namespace

void check_changed(const Session& session, const Attributes& shown) {
  check_object(session, shown, CKR_TEMPLATE_INCONSISTENT);
}

KeyMaking key_making(const Session& session) {
  return {session.token->config().placement, session.token->engine(), session.token->who()};
}

Draft create_draft(const Session& session, const Template& object) {
  const Schema& schema = Schema::of(object);
  Draft draft = make_draft(schema, Making::kCreate, object, session.token->who());
  session.require_write(draft.is_token(), draft.is_private());
  check_object(session, draft.shown, CKR_TEMPLATE_INCOMPLETE);
  refuse_if(draft.shown.number(CKA_OBJECT_VALIDATION_FLAGS).value_or(0) != 0, CKR_ATTRIBUTE_VALUE_INVALID,
            "nobody has validated this token");
  switch (*draft.shown.number(CKA_CLASS)) {
    case CKO_CERTIFICATE:
      complete_certificate(draft);
      break;
    case CKO_PUBLIC_KEY:
      complete_public_key(draft);
      break;
    case CKO_PRIVATE_KEY:
      import_private_key(draft, key_making(session));
      break;
    case CKO_DOMAIN_PARAMETERS:
      complete_domain(draft);
      break;
    case CKO_SECRET_KEY:
      import_secret_key(draft);
      break;
    default:
      break;
  }
  return draft;
}

Draft copy_draft(Session& session, const Object& object, const Template& changes) {
  refuse_if(!object.shown.flag(CKA_COPYABLE, true), CKR_ACTION_PROHIBITED, "CKA_COPYABLE of the object is CK_FALSE");
  refuse_if(object.nv_index() != 0, CKR_ACTION_PROHIBITED, "an NV area is not copied; read its value and store that");
  const Schema* schema = Schema::find(object.shown);
  refuse_if(!schema, CKR_ACTION_PROHIBITED, "the object is of a class that this version does not know");
  Draft draft{object.shown, session.token->secret_of(object)};
  apply_changes(*schema, Changing::kCopy, changes, session.token->who(), draft);
  refuse_if(object.is_private() && !draft.is_private(), CKR_TEMPLATE_INCONSISTENT,
            "a private object can not be copied to a public one");
  if (draft.shown.has(CKA_ALWAYS_SENSITIVE)) {
    // A copy is as sensitive as its original was, and no more.
    draft.shown.set_flag(CKA_ALWAYS_SENSITIVE, object.shown.flag(CKA_ALWAYS_SENSITIVE));
  }
  draft.shown.erase(CKA_UNIQUE_ID);
  check_changed(session, draft.shown);
  session.require_write(draft.is_token(), draft.is_private());
  return draft;
}

}  // namespace vtpm::pkcs11
