// SPDX-License-Identifier: Apache-2.0
#include "tpm/command/commands.h"

#include <algorithm>

#include "tpm/command/exchange.h"
#include "tpm/command/marshal.h"
#include "tpm/command/sapi.h"
#include "tpm/host/device.h"

namespace vtpm::tpm {

namespace {

constexpr size_t kRandomBytes = 64;  // what TPM2_GetRandom gives at once
constexpr size_t kStirBytes = 128;   // what TPM2_StirRandom takes at once

/// `number` left-padded to `bytes`.
template <typename Buffer>
void append_padded(Buffer& to, ByteView number, size_t bytes) {
  if (number.size() > bytes) throw Error(ErrorCode::kTpm, "the TPM returned a number that is too long for its key");
  const size_t start = to.size();
  to.resize(start + bytes);
  std::copy(number.begin(), number.end(), to.begin() + static_cast<std::ptrdiff_t>(start + bytes - number.size()));
}

}  // namespace

Commands::Commands(Device& device) : device_(device), sapi_(std::make_unique<Sapi>(device)) {}

Commands::~Commands() = default;

// --- power ---

uint64_t Commands::session() const { return device_.session() + clears_; }

void Commands::power_on(ByteView permanent) {
  device_.power_on(permanent);
  startup();
}

void Commands::power_on_new() {
  device_.power_on_new();
  startup();
}

void Commands::power_off() noexcept {
  device_.power_off();
  sapi_->clear();  // does not throw: the constructor has passed the same parameters
}

void Commands::startup() {
  VTPM_RUN(Startup, TPM2_SU_CLEAR);
  (void)device_.take_stored();  // only the reset counter, which is not worth a commit
}

SecretBytes Commands::execute(ByteView command) {
  SecretBytes response(exchange(device_, command));
  device_.forget_response();
  return response;
}

// --- random numbers ---

SecretBytes Commands::get_random(size_t bytes) {
  SecretBytes random;
  while (random.size() < bytes) {
    Wiped<TPM2B_DIGEST> part;
    const size_t wanted = std::min(bytes - random.size(), kRandomBytes);
    VTPM_RUN(GetRandom, nullptr, static_cast<uint16_t>(wanted), &part, nullptr);
    if (part.size == 0 || part.size > wanted) device_.fail("the response to TPM2_GetRandom makes no sense");
    random.append(bytes_of<TPM2B_DIGEST>(part));
  }
  return random;
}

void Commands::stir_random(ByteView seed) {
  while (!seed.empty()) {
    const ByteView part = seed.first(std::min(seed.size(), kStirBytes));
    Wiped<TPM2B_SENSITIVE_DATA> data;
    assign<TPM2B_SENSITIVE_DATA>(data, part);
    VTPM_RUN(StirRandom, nullptr, &data, nullptr);
    seed = seed.subspan(part.size());
  }
}

// --- objects ---

Handle Commands::create_primary(uint32_t hierarchy, const TPM2B_PUBLIC& wanted) {
  const Password password;
  const auto sensitive = large<TPM2B_SENSITIVE_CREATE>();
  const TPM2B_DATA outside = {};
  const TPML_PCR_SELECTION pcrs = {};
  TPM2_HANDLE handle = 0;
  const auto public_area = large<TPM2B_PUBLIC>();
  const auto creation = large<TPM2B_CREATION_DATA>();
  TPM2B_DIGEST digest = {};
  TPMT_TK_CREATION ticket = {};
  TPM2B_NAME name = {};
  VTPM_RUN(CreatePrimary, hierarchy, &password, sensitive.get(), &wanted, &outside, &pcrs, &handle, public_area.get(),
           creation.get(), &digest, &ticket, &name, nullptr);
  return {*this, handle};
}

void Commands::evict_control(uint32_t object, uint32_t persistent) {
  const Password password;
  VTPM_RUN(EvictControl, TPM2_RH_OWNER, object, &password, persistent, nullptr);
}

KeyBlob Commands::create(uint32_t parent, const TPM2B_PUBLIC& wanted, SecretBytes auth) {
  const Password password;
  const auto sensitive = large<TPM2B_SENSITIVE_CREATE>();
  assign(sensitive->sensitive.userAuth, auth);
  const TPM2B_DATA outside = {};
  const TPML_PCR_SELECTION pcrs = {};
  const auto private_area = large<TPM2B_PRIVATE>();
  const auto public_area = large<TPM2B_PUBLIC>();
  const auto creation = large<TPM2B_CREATION_DATA>();
  TPM2B_DIGEST digest = {};
  TPMT_TK_CREATION ticket = {};
  VTPM_RUN(Create, parent, &password, sensitive.get(), &wanted, &outside, &pcrs, private_area.get(), public_area.get(),
           creation.get(), &digest, &ticket, nullptr);
  KeyBlob key;
  key.public_area = marshal(Tss2_MU_TPM2B_PUBLIC_Marshal, *public_area);
  key.private_area = marshal(Tss2_MU_TPM2B_PRIVATE_Marshal, *private_area);
  key.auth = std::move(auth);
  key.creation_data = marshal(Tss2_MU_TPM2B_CREATION_DATA_Marshal, *creation);
  key.creation_hash = marshal(Tss2_MU_TPM2B_DIGEST_Marshal, digest);
  key.creation_ticket = marshal(Tss2_MU_TPMT_TK_CREATION_Marshal, ticket);
  return key;
}

Handle Commands::load(uint32_t parent, const KeyBlob& key) {
  const Password password;
  const auto public_area = large<TPM2B_PUBLIC>();
  const auto private_area = large<TPM2B_PRIVATE>();
  unmarshal(Tss2_MU_TPM2B_PUBLIC_Unmarshal, key.public_area, *public_area);
  unmarshal(Tss2_MU_TPM2B_PRIVATE_Unmarshal, key.private_area, *private_area);
  TPM2_HANDLE handle = 0;
  TPM2B_NAME name = {};
  VTPM_RUN(Load, parent, &password, private_area.get(), public_area.get(), &handle, &name, nullptr);
  return {*this, handle};
}

Bytes Commands::import(uint32_t parent, const TPM2B_PUBLIC& public_area, const TPM2B_SENSITIVE& sensitive) {
  const Password password;
  // Without wrappers the duplicate is the sensitive area itself (Part 1, 23.3).
  const auto duplicate = large<TPM2B_PRIVATE>();
  size_t size = 0;
  if (Tss2_MU_TPM2B_SENSITIVE_Marshal(&sensitive, duplicate->buffer, sizeof(duplicate->buffer), &size) !=
      TSS2_RC_SUCCESS)
    throw Error(ErrorCode::kInvalidArgument, "the private key does not fit into a TPM structure");
  duplicate->size = static_cast<uint16_t>(size);
  const TPM2B_DATA no_key = {};
  const auto no_seed = large<TPM2B_ENCRYPTED_SECRET>();
  TPMT_SYM_DEF_OBJECT no_cipher = {};
  no_cipher.algorithm = TPM2_ALG_NULL;
  const auto private_area = large<TPM2B_PRIVATE>();
  VTPM_RUN(Import, parent, &password, &no_key, &public_area, duplicate.get(), no_seed.get(), &no_cipher,
           private_area.get(), nullptr);
  return marshal(Tss2_MU_TPM2B_PRIVATE_Marshal, *private_area);
}

Bytes Commands::import_wrapped(uint32_t parent, ByteView public_area, ByteView duplicate, ByteView seed) {
  const Password password;
  const auto area = large<TPM2B_PUBLIC>();
  const auto wrapped = large<TPM2B_PRIVATE>();
  const auto secret = large<TPM2B_ENCRYPTED_SECRET>();
  unmarshal(Tss2_MU_TPM2B_PUBLIC_Unmarshal, public_area, *area);
  unmarshal(Tss2_MU_TPM2B_PRIVATE_Unmarshal, duplicate, *wrapped);
  unmarshal(Tss2_MU_TPM2B_ENCRYPTED_SECRET_Unmarshal, seed, *secret);
  const TPM2B_DATA no_key = {};
  TPMT_SYM_DEF_OBJECT no_cipher = {};
  no_cipher.algorithm = TPM2_ALG_NULL;
  const auto private_area = large<TPM2B_PRIVATE>();
  VTPM_RUN(Import, parent, &password, &no_key, area.get(), wrapped.get(), secret.get(), &no_cipher, private_area.get(),
           nullptr);
  return marshal(Tss2_MU_TPM2B_PRIVATE_Marshal, *private_area);
}

Bytes Commands::object_change_auth(uint32_t object, uint32_t parent, ByteView auth, ByteView fresh) {
  const Password password(auth);
  Wiped<TPM2B_AUTH> new_auth;
  assign<TPM2B_AUTH>(new_auth, fresh);
  const auto private_area = large<TPM2B_PRIVATE>();
  VTPM_RUN(ObjectChangeAuth, object, parent, &password, &new_auth, private_area.get(), nullptr);
  return marshal(Tss2_MU_TPM2B_PRIVATE_Marshal, *private_area);
}

TPM2B_PUBLIC Commands::read_public(uint32_t object) {
  const auto area = large<TPM2B_PUBLIC>();
  TPM2B_NAME name = {}, qualified_name = {};
  VTPM_RUN(ReadPublic, object, nullptr, area.get(), &name, &qualified_name, nullptr);
  return *area;
}

Bytes Commands::context_save(const Handle& object) {
  const auto context = large<TPMS_CONTEXT>();
  VTPM_RUN(ContextSave, object.value(), context.get());
  return marshal(Tss2_MU_TPMS_CONTEXT_Marshal, *context);
}

Handle Commands::context_load(ByteView bytes) {
  const auto context = large<TPMS_CONTEXT>();
  unmarshal(Tss2_MU_TPMS_CONTEXT_Unmarshal, bytes, *context);
  TPM2_HANDLE handle = 0;
  VTPM_RUN(ContextLoad, context.get(), &handle);
  return {*this, handle};
}

void Commands::flush_context(uint32_t handle) { VTPM_RUN(FlushContext, handle); }

// --- signing, decrypting ---

Bytes Commands::sign_ecdsa(uint32_t key, ByteView auth, ByteView digest, size_t bytes) {
  const Password password(auth);
  TPM2B_DIGEST message = {};
  assign(message, digest);
  TPMT_SIG_SCHEME scheme = {};
  scheme.scheme = TPM2_ALG_ECDSA;
  switch (digest.size()) {
    case TPM2_SHA1_DIGEST_SIZE:
      scheme.details.ecdsa.hashAlg = TPM2_ALG_SHA1;
      break;
    case TPM2_SHA256_DIGEST_SIZE:
      scheme.details.ecdsa.hashAlg = TPM2_ALG_SHA256;
      break;
    case TPM2_SHA384_DIGEST_SIZE:
      scheme.details.ecdsa.hashAlg = TPM2_ALG_SHA384;
      break;
    case TPM2_SHA512_DIGEST_SIZE:
      scheme.details.ecdsa.hashAlg = TPM2_ALG_SHA512;
      break;
    default:
      throw Error(ErrorCode::kInvalidArgument, "the digest does not have the size of a hash that the TPM knows");
  }
  TPMT_TK_HASHCHECK no_ticket = {};  // the key is not restricted, so the digest may come from anywhere
  no_ticket.tag = TPM2_ST_HASHCHECK;
  no_ticket.hierarchy = TPM2_RH_NULL;
  TPMT_SIGNATURE signature = {};
  VTPM_RUN(Sign, key, &password, &message, &scheme, &no_ticket, &signature, nullptr);
  if (signature.sigAlg != TPM2_ALG_ECDSA) device_.fail("the response to TPM2_Sign makes no sense");
  Bytes both;
  both.reserve(2 * bytes);
  append_padded(both, bytes_of(signature.signature.ecdsa.signatureR), bytes);
  append_padded(both, bytes_of(signature.signature.ecdsa.signatureS), bytes);
  return both;
}

SecretBytes Commands::rsa_decrypt(uint32_t key, ByteView auth, ByteView block) {
  const Password password(auth);
  TPM2B_PUBLIC_KEY_RSA cipher_text = {};
  assign(cipher_text, block);
  TPMT_RSA_DECRYPT raw = {};
  raw.scheme = TPM2_ALG_NULL;
  const TPM2B_DATA no_label = {};
  Wiped<TPM2B_PUBLIC_KEY_RSA> message;
  VTPM_RUN(RSA_Decrypt, key, &password, &cipher_text, &raw, &no_label, &message, nullptr);
  SecretBytes plain;
  append_padded(plain, bytes_of<TPM2B_PUBLIC_KEY_RSA>(message), block.size());
  return plain;
}

// A restricted key rejects TPM2_ECDH_ZGen (TPM_RC_ATTRIBUTES), after the authorization was checked.
bool Commands::has_empty_auth(uint32_t storage_key) {
  const Password password;
  const TPM2B_ECC_POINT nowhere = {};
  Wiped<TPM2B_ECC_POINT> shared;
  try {
    VTPM_RUN(ECDH_ZGen, storage_key, &password, &nowhere, &shared, nullptr);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kAuthFailed) return false;
    if (error.code() != ErrorCode::kInvalidArgument) throw;
  }
  return true;
}

SecretBytes Commands::ecdh_zgen(uint32_t key, ByteView auth, ByteView x, ByteView y, size_t bytes) {
  const Password password(auth);
  TPM2B_ECC_POINT peer = {};
  assign(peer.point.x, x);
  assign(peer.point.y, y);
  Wiped<TPM2B_ECC_POINT> shared;
  VTPM_RUN(ECDH_ZGen, key, &password, &peer, &shared, nullptr);
  SecretBytes secret;
  append_padded(secret, bytes_of(shared.point.x), bytes);
  return secret;
}

// --- hierarchies ---

void Commands::hierarchy_change_auth(uint32_t hierarchy, ByteView auth, ByteView fresh) {
  const Password password(auth);
  Wiped<TPM2B_AUTH> new_auth;
  assign<TPM2B_AUTH>(new_auth, fresh);
  VTPM_RUN(HierarchyChangeAuth, hierarchy, &password, &new_auth, nullptr);
}

void Commands::clear() {
  const Password password;
  VTPM_RUN(Clear, TPM2_RH_PLATFORM, &password, nullptr);
  ++clears_;
}

// --- capabilities ---

uint32_t Commands::permanent_flags() {
  const auto data = large<TPMS_CAPABILITY_DATA>();
  TPMI_YES_NO more = TPM2_NO;
  VTPM_RUN(GetCapability, nullptr, TPM2_CAP_TPM_PROPERTIES, TPM2_PT_PERMANENT, 1, &more, data.get(), nullptr);
  const TPML_TAGGED_TPM_PROPERTY& found = data->data.tpmProperties;
  if (found.count != 1 || found.tpmProperty[0].property != TPM2_PT_PERMANENT)
    device_.fail("the response to TPM2_GetCapability makes no sense");
  return found.tpmProperty[0].value;
}

std::vector<uint32_t> Commands::handles(uint32_t first) {
  const uint32_t type = first & TPM2_HR_RANGE_MASK;
  std::vector<uint32_t> found;
  for (TPMI_YES_NO more = TPM2_YES; more == TPM2_YES;) {
    const auto data = large<TPMS_CAPABILITY_DATA>();
    more = TPM2_NO;
    VTPM_RUN(GetCapability, nullptr, TPM2_CAP_HANDLES, first, TPM2_MAX_CAP_HANDLES, &more, data.get(), nullptr);
    const TPML_HANDLE& list = data->data.handles;
    for (uint32_t i = 0; i < list.count; ++i) {
      if ((list.handle[i] & TPM2_HR_RANGE_MASK) != type) return found;
      found.push_back(list.handle[i]);
    }
    if (list.count == 0) break;
    first = found.back() + 1;
  }
  return found;
}

// --- NV ---

void Commands::nv_define_space(uint32_t authority, const NvPublic& area, ByteView auth) {
  const Password password;
  Wiped<TPM2B_AUTH> index_auth;
  assign<TPM2B_AUTH>(index_auth, auth);
  TPM2B_NV_PUBLIC wanted = {};
  wanted.nvPublic.nvIndex = area.index;
  wanted.nvPublic.nameAlg = TPM2_ALG_SHA256;
  wanted.nvPublic.attributes = area.attributes;
  wanted.nvPublic.dataSize = area.size;
  VTPM_RUN(NV_DefineSpace, authority, &password, &index_auth, &wanted, nullptr);
}

void Commands::nv_undefine_space(uint32_t authority, uint32_t index) {
  const Password password;
  VTPM_RUN(NV_UndefineSpace, authority, index, &password, nullptr);
}

NvPublic Commands::nv_read_public(uint32_t index) {
  TPM2B_NV_PUBLIC area = {};
  TPM2B_NAME name = {};
  VTPM_RUN(NV_ReadPublic, index, nullptr, &area, &name, nullptr);
  return {area.nvPublic.nvIndex, area.nvPublic.attributes, area.nvPublic.dataSize};
}

void Commands::nv_write(uint32_t authority, ByteView auth, uint32_t index, size_t offset, ByteView data) {
  const Password password(auth);
  const auto buffer = large<TPM2B_MAX_NV_BUFFER>();
  assign<TPM2B_MAX_NV_BUFFER>(*buffer, data);
  VTPM_RUN(NV_Write, authority, index, &password, buffer.get(), static_cast<uint16_t>(offset), nullptr);
}

SecretBytes Commands::nv_read(uint32_t authority, ByteView auth, uint32_t index, size_t offset, size_t bytes) {
  const Password password(auth);
  const auto buffer = large<TPM2B_MAX_NV_BUFFER>();
  VTPM_RUN(NV_Read, authority, index, &password, static_cast<uint16_t>(bytes), static_cast<uint16_t>(offset),
           buffer.get(), nullptr);
  return SecretBytes(bytes_of<TPM2B_MAX_NV_BUFFER>(*buffer));
}

void Commands::nv_increment(uint32_t authority, ByteView auth, uint32_t index) {
  const Password password(auth);
  VTPM_RUN(NV_Increment, authority, index, &password, nullptr);
}

void Commands::nv_extend(uint32_t authority, ByteView auth, uint32_t index, ByteView data) {
  const Password password(auth);
  const auto buffer = large<TPM2B_MAX_NV_BUFFER>();
  assign<TPM2B_MAX_NV_BUFFER>(*buffer, data);
  VTPM_RUN(NV_Extend, authority, index, &password, buffer.get(), nullptr);
}

void Commands::nv_set_bits(uint32_t authority, ByteView auth, uint32_t index, uint64_t bits) {
  const Password password(auth);
  VTPM_RUN(NV_SetBits, authority, index, &password, bits, nullptr);
}

}  // namespace vtpm::tpm
