// SPDX-License-Identifier: Apache-2.0
// Message digesting and random numbers (PKCS#11 3.2, 5.12 and 5.19). Both work before login.
#include <algorithm>

#include "crypto/library/random.h"
#include "pkcs11/api/entry.h"
#include "pkcs11/cryptoki/function_list.h"
#include "pkcs11/operation/begin.h"
#include "pkcs11/session/lookup.h"
#include "tpm/command/commands.h"

using namespace vtpm;          // NOLINT: the C functions of this file are outside of every namespace
using namespace vtpm::pkcs11;  // NOLINT

namespace {

constexpr size_t kRandomPiece = 64 * 1024;

Step finish_digest(DigestOperation& operation, ByteView last, Output out) {
  if (auto early = out.early(operation.digest.size())) return {*early, true};
  operation.digest.update(last);
  out.put(operation.digest.finish());
  return {};
}

}  // namespace

CK_RV C_DigestInit(CK_SESSION_HANDLE handle, CK_MECHANISM* mechanism) {
  return call_session("C_DigestInit", handle, [&](Module&, Session& session) {
    return begin_operation(session, kDigesting, mechanism, [&] { return begin_digest(mechanism); });
  });
}

CK_RV C_Digest(CK_SESSION_HANDLE handle, CK_BYTE* data, CK_ULONG length, CK_BYTE* digest, CK_ULONG* digest_length) {
  return call_session("C_Digest", handle, [&](Module&, Session& session) {
    return run_operation(session, kDigesting, [&](DigestOperation& operation) {
      refuse_if(operation.multi_part, CKR_OPERATION_NOT_INITIALIZED,
                "a multi-part digest is active; it ends with C_DigestFinal");
      return finish_digest(operation, input(data, length), {digest, digest_length});
    });
  });
}

CK_RV C_DigestUpdate(CK_SESSION_HANDLE handle, CK_BYTE* part, CK_ULONG length) {
  return call_session("C_DigestUpdate", handle, [&](Module&, Session& session) {
    return run_operation(session, kDigesting, [&](DigestOperation& operation) -> Step {
      operation.digest.update(input(part, length));
      operation.multi_part = true;
      return {CKR_OK, true};
    });
  });
}

CK_RV C_DigestKey(CK_SESSION_HANDLE handle, CK_OBJECT_HANDLE key) {
  return call_session("C_DigestKey", handle, [&](Module&, Session& session) {
    return run_operation(session, kDigesting, [&](DigestOperation& operation) -> Step {
      const ObjectPtr object = require_key(session, key);
      refuse_if(object->key_part() != KeyPart::kSecret, CKR_KEY_INDIGESTIBLE, "the key is not a secret key");
      require_allowed(*object, *operation.begun.row, CKR_KEY_INDIGESTIBLE);
      const SecretAttributes secret = session.token->catalogue().secret_of(*object);
      operation.digest.update(secret.get(CKA_VALUE));
      operation.multi_part = true;
      return {CKR_OK, true};
    });
  });
}

CK_RV C_DigestFinal(CK_SESSION_HANDLE handle, CK_BYTE* digest, CK_ULONG* digest_length) {
  return call_session("C_DigestFinal", handle, [&](Module&, Session& session) {
    return run_operation(session, kDigesting, [&](DigestOperation& operation) {
      return finish_digest(operation, {}, {digest, digest_length});
    });
  });
}

CK_RV C_SeedRandom(CK_SESSION_HANDLE handle, CK_BYTE* seed, CK_ULONG length) {
  return call_session("C_SeedRandom", handle, [&](Module&, Session& session) {
    const ByteView bytes = input(seed, length, kSeedLimit);
    crypto::random_add(bytes);
    if (auto tpm = session.token->machine().engine()) {
      tpm->use([&](tpm::Commands& commands) { commands.stir_random(bytes); });
    }
    return CKR_OK;
  });
}

CK_RV C_GenerateRandom(CK_SESSION_HANDLE handle, CK_BYTE* random, CK_ULONG length) {
  return call_session("C_GenerateRandom", handle, [&](Module&, Session& session) {
    refuse_if(!random, CKR_ARGUMENTS_BAD, "the buffer is a null pointer");
    const MutableByteView out(random, input(random, length).size());
    const auto tpm = session.token->machine().engine();
    if (!tpm) {
      crypto::random_fill(out);
      return CKR_OK;
    }
    // In pieces, so that the copy is never as large as what the caller requests.
    for (size_t done = 0; done < out.size();) {
      const size_t piece = std::min(out.size() - done, kRandomPiece);
      const SecretBytes bytes = tpm->use([&](tpm::Commands& commands) { return commands.get_random(piece); });
      std::copy(bytes.begin(), bytes.end(), out.begin() + static_cast<std::ptrdiff_t>(done));
      done += piece;
    }
    return CKR_OK;
  });
}
