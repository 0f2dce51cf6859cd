// C_GetOperationState and C_SetOperationState (PKCS#11 3.2, 5.6): digests are cloned and moved between sessions.
#include "tests/conformance/symmetric.h"

namespace vtpm::conformance {
namespace {

class OperationState : public WithUser {
 protected:
  Bytes save() {
    CK_ULONG size = 0;
    MUST(p11->C_GetOperationState(session, nullptr, &size));
    Bytes state(size);
    MUST(p11->C_GetOperationState(session, state.data(), &size));
    state.resize(size);
    return state;
  }
  CK_RV restore(CK_SESSION_HANDLE to, Bytes state, CK_OBJECT_HANDLE encryption = 0, CK_OBJECT_HANDLE signing = 0) {
    return p11->C_SetOperationState(to, state.data(), state.size(), encryption, signing);
  }
  void update(CK_SESSION_HANDLE in, Bytes data) { MUST(p11->C_DigestUpdate(in, data.data(), data.size())); }
  std::string final(CK_SESSION_HANDLE in) {
    Bytes digest(64);
    CK_ULONG size = 64;
    MUST(p11->C_DigestFinal(in, digest.data(), &size));
    digest.resize(size);
    return to_hex(digest);
  }
  Mechanism sha = CKM_SHA256;
};

/// SHA-1 and SHA-2.
bool is_saveable(const HashRow& row) {
  const std::string_view name = row.name;
  return name.find("sha3_") == name.npos && name.find("sha3-") == name.npos && name.find("blake2") == name.npos;
}

TEST_F(OperationState, OfEveryShaGoesOnInAnotherSession) {
  size_t saved = 0;
  Session other(slot, Session::kReadOnly);
  for_each_line("digest.txt", [&](const Line& line) {
    const HashRow& row = hash_row(line.text("hash"));
    if (!is_saveable(row)) return;
    ++saved;
    const Bytes message = line.octets("message");
    Mechanism mechanism = row.digest;
    for (const size_t split : {size_t{0}, size_t{1}, message.size() / 2, message.size()}) {
      const size_t at = std::min(split, message.size());
      MUST(p11->C_DigestInit(session, mechanism.get()));
      update(session, Bytes(message.begin(), message.begin() + static_cast<long>(at)));
      const Bytes state = save();
      const Bytes rest(message.begin() + static_cast<long>(at), message.end());
      for (const CK_SESSION_HANDLE to : {CK_SESSION_HANDLE{other}, CK_SESSION_HANDLE{session}}) {
        MUST(restore(to, state));
        update(to, rest);
        EXPECT_EQ(final(to), line.text("digest"));
      }
    }
  });
  EXPECT_GT(saved, 10u);
}

TEST_F(OperationState, OfWhatLibcryptoDoesNotShowIsNotSaved) {
  CK_ULONG size = 0;
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, p11->C_GetOperationState(session, nullptr, &size));
  for (const HashRow& row : kEveryHash) {
    SCOPED_TRACE(row.name);
    Mechanism mechanism = row.digest;
    MUST(p11->C_DigestInit(session, mechanism.get()));
    EXPECT_RV(is_saveable(row) ? CKR_OK : CKR_STATE_UNSAVEABLE, p11->C_GetOperationState(session, nullptr, &size));
    MUST(p11->C_DigestInit(session, nullptr));
  }
  Mechanism ecb = CKM_AES_ECB;
  MUST(p11->C_EncryptInit(session, ecb.get(), secret_key(session, CKK_AES, Bytes(16, 1))));
  EXPECT_RV(CKR_STATE_UNSAVEABLE, p11->C_GetOperationState(session, nullptr, &size));
  MUST(p11->C_DigestInit(session, sha.get()));
  EXPECT_RV(CKR_STATE_UNSAVEABLE, p11->C_GetOperationState(session, nullptr, &size)) << "not half of it";
}

TEST_F(OperationState, SavingChangesNothing) {
  MUST(p11->C_DigestInit(session, sha.get()));
  update(session, bytes("ab"));
  Bytes small(10);
  CK_ULONG size = small.size();
  EXPECT_RV(CKR_BUFFER_TOO_SMALL, p11->C_GetOperationState(session, small.data(), &size));
  EXPECT_EQ(size, save().size());
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_GetOperationState(session, small.data(), nullptr));
  update(session, bytes("c"));
  EXPECT_EQ(final(session), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");  // FIPS 180-4: "abc"
}

TEST_F(OperationState, RestoringAbandonsWhatWasActive) {
  MUST(p11->C_DigestInit(session, sha.get()));
  update(session, bytes("abc"));
  const Bytes state = save();
  update(session, bytes("more"));
  Mechanism ecb = CKM_AES_ECB;
  MUST(p11->C_EncryptInit(session, ecb.get(), secret_key(session, CKK_AES, Bytes(16, 1))));
  EXPECT_RV(CKR_OK, restore(session, state));
  EXPECT_EQ(final(session), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CK_ULONG size = 0;
  EXPECT_RV(CKR_OPERATION_NOT_INITIALIZED, p11->C_EncryptFinal(session, nullptr, &size));
}

TEST_F(OperationState, RefusesWhatItDidNotSave) {
  MUST(p11->C_DigestInit(session, sha.get()));
  const Bytes state = save();
  for (size_t i = 0; i < state.size(); i += 7) {
    Bytes changed = state;
    changed[i] ^= 0x20;
    EXPECT_RV(CKR_SAVED_STATE_INVALID, restore(session, changed));
  }
  EXPECT_RV(CKR_SAVED_STATE_INVALID, restore(session, Bytes(state.begin(), state.end() - 1)));
  EXPECT_RV(CKR_SAVED_STATE_INVALID, restore(session, state + Bytes{0}));
  EXPECT_RV(CKR_SAVED_STATE_INVALID, restore(session, Bytes(5)));
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11->C_SetOperationState(session, nullptr, 0, 0, 0));
  EXPECT_RV(CKR_KEY_NOT_NEEDED, restore(session, state, secret_key(session, CKK_AES, Bytes(16, 1))));
  EXPECT_RV(CKR_KEY_NOT_NEEDED, restore(session, state, 0, 1));
  Session elsewhere(make_token("another"));
  EXPECT_RV(CKR_SAVED_STATE_INVALID, restore(elsewhere, state));
}

// C_DigestKey puts the key into the digest's block: it must not be readable in the state.
TEST_F(OperationState, ShowsNoKey) {
  const Bytes value = bytes("a key that nobody else may read");
  MUST(p11->C_DigestInit(session, sha.get()));
  MUST(p11->C_DigestKey(session, secret_key(session, CKK_GENERIC_SECRET, value)));
  EXPECT_EQ(to_hex(save()).find(to_hex(Bytes(value.begin(), value.begin() + 8))), std::string::npos);
}

TEST_F(OperationState, EndsWithTheLibrary) {
  MUST(p11->C_DigestInit(session, sha.get()));
  const Bytes state = save();
  library.restart();
  Session later(slot_of("conformance"));
  EXPECT_RV(CKR_SAVED_STATE_INVALID, restore(later, state));
}

}  // namespace
}  // namespace vtpm::conformance
