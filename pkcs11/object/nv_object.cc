// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/object/nv_object.h"

#include <algorithm>
#include <charconv>
#include <cstdio>

#include "base/numbers.h"
#include "pkcs11/cryptoki/refusal.h"
#include "pkcs11/object/object_class.h"

namespace vtpm::pkcs11 {
namespace {

// TCG registry of reserved handles: the owner's range begins at 0x01800000.
constexpr uint32_t kOwnerFirst = 0x01800000, kOwnerLast = 0x01BFFFFF;

std::optional<CK_ULONG> index_from_label(ByteView label) {
  std::string_view text = as_text(label);
  if (text.substr(0, 2) != "0x" && text.substr(0, 2) != "0X") return std::nullopt;
  text.remove_prefix(2);
  uint32_t index = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), index, 16);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return index;
}

tpm::NvPublic require_area(tpm::Commands& tpm, uint32_t index) {
  std::optional<tpm::NvPublic> area = tpm::nv_public(tpm, index);
  refuse_if(!area, CKR_DEVICE_ERROR, "the TPM no longer has the NV index of this object");
  return *area;
}

/// DER of 2.25.115853699525132217164641321623921523361, without the index.
constexpr uint8_t kArc[] = {0x69, 0x81, 0xae, 0xa8, 0xce, 0x99, 0x8f, 0xd5, 0xaa, 0x9d,
                            0xc5, 0xa2, 0xc5, 0xb6, 0x9f, 0xcf, 0xd2, 0xb9, 0xf5, 0x21};

constexpr size_t kNumberBytes = 8;  // of counters and bit fields

tpm::NvType type_of(const Attributes& shown) {
  return static_cast<tpm::NvType>(shown.number(CKA_VTPM_NV_TYPE).value_or(0));
}

/// The TPMA_NV of a new area: that of the template, or the default, with the type.
uint32_t wanted_attributes(const Attributes& shown) {
  const uint32_t asked =
      static_cast<uint32_t>(shown.number(CKA_VTPM_NV_ATTRIBUTES).value_or(tpm::nv_default_attributes()));
  return (asked & ~tpm::nv::kTypeMask) | static_cast<uint32_t>(type_of(shown)) << tpm::nv::kTypeShift;
}

void check_attributes(const Attributes& shown) {
  const auto asked = shown.number(CKA_VTPM_NV_ATTRIBUTES);
  if (!asked) return;
  refuse_if(*asked >> 32 != 0, CKR_ATTRIBUTE_VALUE_INVALID, "CKA_VTPM_NV_ATTRIBUTES must have at most 32 bits");
  const uint32_t attributes = static_cast<uint32_t>(*asked);
  refuse_if(attributes & tpm::nv::kOfOneBoot, CKR_ATTRIBUTE_VALUE_INVALID,
            "CKA_VTPM_NV_ATTRIBUTES must not have bits for one start of the TPM (orderly, locked until the next "
            "start): each process starts its own");
  refuse_if(attributes & (tpm::nv::kWritten | tpm::nv::kWriteLocked | tpm::nv::kReadLocked | tpm::nv::kPlatformCreate |
                          tpm::nv::kPolicyDelete),
            CKR_ATTRIBUTE_VALUE_INVALID, "CKA_VTPM_NV_ATTRIBUTES has bits that the owner cannot give to a new area");
  refuse_if(!(attributes & (tpm::nv::kOwnerWrite | tpm::nv::kAuthWrite)) ||
                !(attributes & (tpm::nv::kOwnerRead | tpm::nv::kAuthRead)),
            CKR_ATTRIBUTE_VALUE_INVALID,
            "CKA_VTPM_NV_ATTRIBUTES must let the owner or the area's own auth value read and write");
}

void check_new_value(tpm::NvType type, ByteView value) {
  switch (type) {
    case tpm::NvType::kOrdinary:
      refuse_if(value.empty() || value.size() > tpm::kNvMaxBytes, CKR_ATTRIBUTE_VALUE_INVALID,
                "NV area size out of range (1 to 2048 bytes)");
      return;
    case tpm::NvType::kBits:
      refuse_if(!value.empty() && value.size() != kNumberBytes, CKR_ATTRIBUTE_VALUE_INVALID,
                "a bit field must have eight bytes");
      return;
    case tpm::NvType::kExtend:
      return;  // the value is the first one that extends the area
    case tpm::NvType::kCounter:
      return;
    default:
      refuse(CKR_ATTRIBUTE_VALUE_INVALID,
             "CKA_VTPM_NV_TYPE is not supported: it must be that of an ordinary area, a bit field, an extend area or a "
             "counter");
  }
}

void extend(tpm::Commands& tpm, const tpm::NvPublic& area, ByteView value, ByteView auth) {
  constexpr size_t kMost = 1024;
  refuse_if(value.size() > kMost, CKR_ATTRIBUTE_VALUE_INVALID,
            "length out of range: an NV area can be extended with at most 1024 bytes at a time");
  tpm::nv_extend(tpm, area, value, auth);
}

/// Runs `work`; returns CKR_ACTION_PROHIBITED if the TPM does not authorize it.
template <typename F>
void authorized(F&& work) {
  refusing(ErrorCode::kAuthFailed, CKR_ACTION_PROHIBITED, std::forward<F>(work));
}

}  // namespace

std::string nv_name(uint32_t index) {
  char text[16];
  std::snprintf(text, sizeof text, "0x%08x", index);
  return text;
}

Bytes nv_object_id(uint32_t index) {
  Bytes base128 = {static_cast<uint8_t>(index & 0x7F)};
  while (index >>= 7) base128.insert(base128.begin(), static_cast<uint8_t>(0x80 | (index & 0x7F)));
  Bytes der = {0x06, static_cast<uint8_t>(sizeof kArc + base128.size())};
  append(der, kArc);
  append(der, base128);
  return der;
}

bool prepare_nv_object(Draft& draft) {
  Attributes& shown = draft.shown;
  const ObjectClass& object_class = object_class_row(shown);
  if (!object_class.has(kMayBeInNv)) return false;
  const bool counter = object_class.has(kCounts);
  const bool by_application = as_text(shown.get(CKA_APPLICATION)) == kNvApplication;
  if (!counter && !by_application && !shown.has(CKA_VTPM_NV_INDEX)) {
    refuse_if(shown.has(CKA_VTPM_NV_TYPE) || shown.has(CKA_VTPM_NV_ATTRIBUTES) || draft.secret.has(CKA_VTPM_AUTH),
              CKR_TEMPLATE_INCONSISTENT, "only NV areas have a type, TPM attributes and an auth value");
    return false;
  }
  refuse_if(!draft.is_token() || !draft.is_private(), CKR_TEMPLATE_INCONSISTENT,
            "CKA_TOKEN and CKA_PRIVATE of an NV area must be CK_TRUE");
  if (!shown.has(CKA_VTPM_NV_INDEX)) {
    shown.set_number(CKA_VTPM_NV_INDEX, index_from_label(shown.get(CKA_LABEL)).value_or(kAnyNvIndex));
  }
  const CK_ULONG index = *shown.number(CKA_VTPM_NV_INDEX);
  refuse_if(index != kAnyNvIndex && (index < tpm::kNvFirst || index > tpm::kNvLast), CKR_ATTRIBUTE_VALUE_INVALID,
            "CKA_VTPM_NV_INDEX out of range (0x01000000 to 0x01FFFFFF)");
  if (counter) {
    shown.set_number(CKA_VTPM_NV_TYPE, static_cast<CK_ULONG>(tpm::NvType::kCounter));
  } else {
    refuse_if(type_of(shown) == tpm::NvType::kCounter, CKR_TEMPLATE_INCONSISTENT,
              "a counter must be a CKO_HW_FEATURE object of type CKH_MONOTONIC_COUNTER");
    if (!by_application && shown.get(CKA_APPLICATION).empty()) shown.set(CKA_APPLICATION, as_bytes(kNvApplication));
    if (!shown.has(CKA_VTPM_NV_TYPE)) shown.set_number(CKA_VTPM_NV_TYPE, 0);
  }
  check_attributes(shown);
  check_new_value(type_of(shown), draft.secret.get(CKA_VALUE));
  return true;
}

uint32_t free_nv_index(tpm::Commands& tpm) {
  const std::vector<uint32_t> used = tpm::nv_list(tpm);
  for (uint32_t index = kOwnerFirst; index <= kOwnerLast; ++index) {
    if (!std::binary_search(used.begin(), used.end(), index)) return index;
  }
  refuse(CKR_DEVICE_MEMORY, "every NV index of the owner's range is in use");
}

void create_nv_area(tpm::Commands& tpm, const Draft& draft) {
  constexpr uint16_t kDigestBytes = 32;  // the length of a SHA-256
  const auto index = static_cast<uint32_t>(*draft.shown.number(CKA_VTPM_NV_INDEX));
  const ByteView value = draft.secret.get(CKA_VALUE), auth = draft.secret.get(CKA_VTPM_AUTH);
  const tpm::NvType type = type_of(draft.shown);
  size_t size = kNumberBytes;
  if (type == tpm::NvType::kOrdinary) size = value.size();
  if (type == tpm::NvType::kExtend) size = kDigestBytes;
  try {
    tpm::nv_define(tpm, index, static_cast<uint16_t>(size), wanted_attributes(draft.shown), auth);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kNvExists)
      refuse(CKR_ATTRIBUTE_VALUE_INVALID, "NV index " + nv_name(index) + " is in use");
    if (error.code() == ErrorCode::kInvalidArgument) refuse(CKR_ATTRIBUTE_VALUE_INVALID, error.sentence());
    throw;
  }
  const tpm::NvPublic area = require_area(tpm, index);
  switch (type) {
    case tpm::NvType::kCounter:
      return tpm::nv_increment(tpm, area, auth);  // a counter cannot be read before its first increment
    case tpm::NvType::kBits:
      return tpm::nv_set_bits(tpm, area, read_be(value), auth);
    case tpm::NvType::kExtend:
      if (!value.empty()) extend(tpm, area, value, auth);
      return;
    default:
      return tpm::nv_write(tpm, area, 0, value, auth);
  }
}

void write_nv_value(tpm::Commands& tpm, uint32_t index, ByteView value, ByteView auth) {
  tpm::NvPublic area = require_area(tpm, index);
  refuse_if(!area.changeable(), CKR_ACTION_PROHIBITED,
            "the NV area is locked, or its contents last until the next start of the TPM only");
  authorized([&] {
    switch (area.type()) {
      case tpm::NvType::kCounter:
        refuse(CKR_ATTRIBUTE_READ_ONLY, "a counter cannot be written: reading it increments it");
      case tpm::NvType::kBits:
        refuse_if(value.size() != kNumberBytes, CKR_ATTRIBUTE_VALUE_INVALID, "a bit field must have eight bytes");
        return tpm::nv_set_bits(tpm, area, read_be(value), auth);
      case tpm::NvType::kExtend:
        return extend(tpm, area, value, auth);
      default:
        break;
    }
    if (area.size != value.size()) {
      const uint32_t attributes = area.attributes & ~tpm::nv::kWritten;
      refuse_if(attributes != tpm::nv_default_attributes() || !auth.empty(), CKR_ATTRIBUTE_VALUE_INVALID,
                "the value does not have the size of the NV area, which is fixed by its attributes");
      check_new_value(tpm::NvType::kOrdinary, value);
      tpm::nv_undefine(tpm, index);
      tpm::nv_define(tpm, index, static_cast<uint16_t>(value.size()), attributes);
      area = require_area(tpm, index);
    }
    tpm::nv_write(tpm, area, 0, value, auth);
  });
}

SecretBytes read_nv_value(tpm::Commands& tpm, uint32_t index, ByteView auth) {
  return tpm::nv_read(tpm, require_area(tpm, index), auth);
}

SecretBytes count_up(tpm::Commands& tpm, uint32_t index, ByteView auth) {
  const tpm::NvPublic area = require_area(tpm, index);
  tpm::nv_increment(tpm, area, auth);
  return tpm::nv_read(tpm, require_area(tpm, index), auth);
}

uint32_t nv_attributes(tpm::Commands& tpm, uint32_t index) { return require_area(tpm, index).attributes; }

}  // namespace vtpm::pkcs11
