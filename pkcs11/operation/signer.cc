// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/operation/signer.h"

#include "crypto/kdf/tls_prf.h"
#include "crypto/library/constant_time.h"
#include "pkcs11/cryptoki/refusal.h"
#include "pkcs11/mechanism/family_table.h"
#include "pkcs11/mechanism/tls_hash.h"
#include "pkcs11/operation/signature.h"

namespace vtpm::pkcs11 {
namespace {

// --- RSA and EC ---

class KeySigner : public Signer {
 public:
  KeySigner(SignatureScheme scheme, std::shared_ptr<crypto::PrivateKey> key)
      : scheme_(std::move(scheme)), input_(scheme_), key_(std::move(key)) {}
  std::unique_ptr<Signer> clone() const override { return std::make_unique<KeySigner>(*this); }
  size_t size() const override { return scheme_.signature_bytes(); }
  void update(ByteView part) override { input_.update(part); }
  Bytes finish() override { return scheme_.sign(*key_, input_.finish()); }
  std::optional<SecretBytes> save() const override { return input_.save(); }
  void load(ByteView saved) override { input_.load(saved); }

 private:
  SignatureScheme scheme_;
  SignatureInput input_;
  std::shared_ptr<crypto::PrivateKey> key_;
};

class KeyVerifier : public Verifier {
 public:
  explicit KeyVerifier(SignatureScheme scheme) : scheme_(std::move(scheme)), input_(scheme_) {}
  std::unique_ptr<Verifier> clone() const override { return std::make_unique<KeyVerifier>(*this); }
  size_t size() const override { return scheme_.signature_bytes(); }
  bool takes(size_t signature_bytes) const override { return scheme_.takes_signature(signature_bytes); }
  void update(ByteView part) override { input_.update(part); }
  bool finish(ByteView signature) override { return scheme_.verify(input_.finish(), signature); }
  std::optional<SecretBytes> save() const override { return input_.save(); }
  void load(ByteView saved) override { input_.load(saved); }

 private:
  SignatureScheme scheme_;
  SignatureInput input_;
};

// --- message authentication codes ---

/// A MAC, and the length that the mechanism returns of it.
struct ShownMac {
  crypto::Mac mac;
  size_t bytes;

  Bytes finish() {
    Bytes code = mac.finish();
    code.resize(bytes);
    return code;
  }
};

class MacSigner : public Signer {
 public:
  explicit MacSigner(ShownMac mac) : mac_(std::move(mac)) {}
  std::unique_ptr<Signer> clone() const override { return std::make_unique<MacSigner>(*this); }
  size_t size() const override { return mac_.bytes; }
  void update(ByteView part) override { mac_.mac.update(part); }
  Bytes finish() override { return mac_.finish(); }
  std::optional<SecretBytes> save() const override { return mac_.mac.save(); }
  void load(ByteView saved) override { mac_.mac.load(saved); }

 private:
  ShownMac mac_;
};

class MacVerifier : public Verifier {
 public:
  explicit MacVerifier(ShownMac mac) : mac_(std::move(mac)) {}
  std::unique_ptr<Verifier> clone() const override { return std::make_unique<MacVerifier>(*this); }
  size_t size() const override { return mac_.bytes; }
  void update(ByteView part) override { mac_.mac.update(part); }
  bool finish(ByteView signature) override { return crypto::constant_time_equal(mac_.finish(), signature); }
  std::optional<SecretBytes> save() const override { return mac_.mac.save(); }
  void load(ByteView saved) override { mac_.mac.load(saved); }

 private:
  ShownMac mac_;
};

// --- TLS: verify_data of a Finished message (RFC 5246, 7.4.9) ---

struct TlsMac {
  std::optional<crypto::Hash> hash;
  std::string_view label;
  size_t bytes;
  std::shared_ptr<const SecretBytes> master;
  Bytes data;  // usually the hash of a handshake, but "any" (PKCS#11 3.2, 6.40); read several times

  void update(ByteView part) {
    refuse_if(part.size() > kMost - data.size(), CKR_DATA_LEN_RANGE,
              "data length out of range for a TLS MAC (at most 64 MiB)");
    append(data, part);
  }
  Bytes finish() { return to_bytes(crypto::tls_prf(hash, *master, label, data, bytes)); }
  SecretBytes save() const { return SecretBytes(data); }
  void load(ByteView saved) {
    data.clear();
    update(saved);
  }

 private:
  static constexpr size_t kMost = size_t{64} << 20;
};

class TlsMacSigner : public Signer {
 public:
  explicit TlsMacSigner(TlsMac mac) : mac_(std::move(mac)) {}
  std::unique_ptr<Signer> clone() const override { return std::make_unique<TlsMacSigner>(*this); }
  size_t size() const override { return mac_.bytes; }
  void update(ByteView part) override { mac_.update(part); }
  Bytes finish() override { return mac_.finish(); }
  std::optional<SecretBytes> save() const override { return mac_.save(); }
  void load(ByteView saved) override { mac_.load(saved); }

 private:
  TlsMac mac_;
};

class TlsMacVerifier : public Verifier {
 public:
  explicit TlsMacVerifier(TlsMac mac) : mac_(std::move(mac)) {}
  std::unique_ptr<Verifier> clone() const override { return std::make_unique<TlsMacVerifier>(*this); }
  size_t size() const override { return mac_.bytes; }
  void update(ByteView part) override { mac_.update(part); }
  bool finish(ByteView signature) override { return crypto::constant_time_equal(mac_.finish(), signature); }
  std::optional<SecretBytes> save() const override { return mac_.save(); }
  void load(ByteView saved) override { mac_.load(saved); }

 private:
  TlsMac mac_;
};

TlsMac make_tls_mac(const Session& session, const Mechanism&, const CK_MECHANISM& mechanism, const Object& key) {
  // A handshake message has less than 2^24 bytes (RFC 5246, 7.4).
  constexpr CK_ULONG kServer = 1, kClient = 2, kLeast = 12, kMost = (CK_ULONG{1} << 24) - 1;
  const auto given = mechanism_parameter<CK_TLS_MAC_PARAMS>(mechanism);
  const std::optional<crypto::Hash> hash = tls_function(given.prfHashMechanism);
  refuse_parameter_if(given.ulServerOrClient != kServer && given.ulServerOrClient != kClient,
                      "TLS: ulServerOrClient must be 1 (server) or 2 (client)");
  refuse_parameter_if(given.ulMacLength < kLeast || given.ulMacLength > (hash ? kMost : kLeast),
                      "TLS: MAC length out of range (at least 12 bytes; exactly 12 for TLS 1.0 and 1.1)");
  return {hash,
          given.ulServerOrClient == kServer ? "server finished" : "client finished",
          given.ulMacLength,
          std::make_shared<const SecretBytes>(session.token->catalogue().secret_of(key).get(CKA_VALUE)),
          {}};
}

/// The length of the MAC in the parameter, in bytes; 0: the whole MAC. For GMAC also sets `iv` from the parameter.
size_t mac_parameter(const Mechanism& row, const CK_MECHANISM& mechanism, Bytes& iv) {
  switch (row.parameter) {
    case Parameter::kMacLength: {
      const auto wanted = mechanism_parameter<CK_MAC_GENERAL_PARAMS>(mechanism);
      refuse_parameter_if(wanted == 0, "the MAC length must not be 0");
      return wanted;
    }
    case Parameter::kGcm: {
      const auto given = mechanism_parameter<CK_GCM_PARAMS>(mechanism);
      iv = parameter_bytes(given.pIv, given.ulIvLen);
      refuse_parameter_if(given.ulTagBits % 8 != 0 ||
                              !crypto::aead_takes_tag(crypto::AeadMode::kGcm, given.ulTagBits / 8) ||
                              !crypto::aead_takes_nonce(crypto::AeadMode::kGcm, iv.size()),
                          "GMAC does not support an initialization vector or a tag of this length");
      return given.ulTagBits / 8;
    }
    case Parameter::kSha512T:
      return 0;
    default:
      return row.mac_bytes;
  }
}

ShownMac make_mac(const Session& session, const Mechanism& row, const CK_MECHANISM& mechanism, const Object& key) {
  Bytes iv;
  const size_t wanted = mac_parameter(row, mechanism, iv);
  const SecretAttributes secret = session.token->catalogue().secret_of(key);
  const ByteView value = secret.get(CKA_VALUE);
  refuse_if(value.size() < row.min_size || value.size() > row.max_size, CKR_KEY_SIZE_RANGE,
            "the key's size is outside the mechanism's range");
  crypto::MacParameters parameters{*row.mac};
  if (row.hash) parameters.hash = *row.hash;
  if (row.parameter == Parameter::kSha512T) parameters.t = sha512_t_parameter(mechanism);
  parameters.iv = iv;
  ShownMac mac{crypto::Mac(parameters, value), wanted};
  if (wanted == 0) mac.bytes = mac.mac.size();
  if (mac.bytes > mac.mac.size()) {
    refuse(CKR_MECHANISM_PARAM_INVALID,
           "MAC length out of range (at most " + std::to_string(mac.mac.size()) + " bytes)");
  }
  return mac;
}

// --- which mechanism is made by what ---

using SignerMaker = std::unique_ptr<Signer> (*)(const Session&, const Mechanism&, const CK_MECHANISM&, const Object&);
using VerifierMaker = std::unique_ptr<Verifier> (*)(const Session&, const Mechanism&, const CK_MECHANISM&,
                                                    const Object&);
struct Makers {
  SignerMaker signer = nullptr;
  VerifierMaker verifier = nullptr;
};

std::unique_ptr<Signer> key_signer(const Session& session, const Mechanism& row, const CK_MECHANISM& mechanism,
                                   const Object& key) {
  return std::make_unique<KeySigner>(SignatureScheme(row, mechanism, *public_key_of(key)),
                                     session.token->catalogue().private_key(key));
}
std::unique_ptr<Verifier> key_verifier(const Session&, const Mechanism& row, const CK_MECHANISM& mechanism,
                                       const Object& key) {
  return std::make_unique<KeyVerifier>(SignatureScheme(row, mechanism, *public_key_of(key)));
}

/// A signer or verifier with a MAC that `kMake` makes.
template <typename Base, typename Class, auto kMake>
std::unique_ptr<Base> with_code(const Session& session, const Mechanism& row, const CK_MECHANISM& mechanism,
                                const Object& key) {
  return std::make_unique<Class>(kMake(session, row, mechanism, key));
}

constexpr Makers kByKey = {key_signer, key_verifier};
constexpr FamilyTable<Makers> kMakers({
    {Family::kRsaPkcs, kByKey},
    {Family::kRsaX509, kByKey},
    {Family::kRsaPss, kByKey},
    {Family::kEcdsa, kByKey},
    {Family::kEddsa, kByKey},
    {Family::kDsa, kByKey},
    {Family::kMac, {with_code<Signer, MacSigner, make_mac>, with_code<Verifier, MacVerifier, make_mac>}},
    {Family::kTlsMac,
     {with_code<Signer, TlsMacSigner, make_tls_mac>, with_code<Verifier, TlsMacVerifier, make_tls_mac>}},
});
static_assert(kMakers.covers(CKF_SIGN | CKF_SIGN_RECOVER | CKF_MESSAGE_SIGN, &Makers::signer));
static_assert(kMakers.covers(CKF_VERIFY | CKF_MESSAGE_VERIFY, &Makers::verifier));
static_assert(kMakers.covers(
    CKF_SIGN | CKF_VERIFY, [](const Makers& makers) { return makers.signer == key_signer; }, &Mechanism::of_pairs));

}  // namespace

void Signer::load(ByteView) {
  throw Error(ErrorCode::kInvalidArgument, "the state of a signature of this kind cannot be saved");
}
void Verifier::load(ByteView) {
  throw Error(ErrorCode::kInvalidArgument, "the state of a verification of this kind cannot be saved");
}

std::unique_ptr<Signer> make_signer(const Session& session, const Mechanism& row, const CK_MECHANISM& mechanism,
                                    const Object& key) {
  return kMakers[row.family].signer(session, row, mechanism, key);
}

std::unique_ptr<Verifier> make_verifier(const Session& session, const Mechanism& row, const CK_MECHANISM& mechanism,
                                        const Object& key) {
  return kMakers[row.family].verifier(session, row, mechanism, key);
}

}  // namespace vtpm::pkcs11
