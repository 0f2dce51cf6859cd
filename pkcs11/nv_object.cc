#include "pkcs11/nv_object.h"

#include <algorithm>
#include <charconv>
#include <cstdio>

#include "pkcs11/refusal.h"

namespace vtpm::pkcs11 {
namespace {

// TCG registry of reserved handles: 0x01800000 and up is the owner's.
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

}  // namespace

bool prepare_nv_object(Draft& draft) {
  Attributes& shown = draft.shown;
  if (shown.number(CKA_CLASS) != CKO_DATA) return false;
  const bool by_application = as_text(shown.get(CKA_APPLICATION)) == kNvApplication;
  if (!by_application && !shown.has(CKA_VTPM_NV_INDEX)) return false;

  refuse_if(!draft.is_token() || !draft.is_private(), CKR_TEMPLATE_INCONSISTENT,
            "an NV area is a private token object: CKA_TOKEN and CKA_PRIVATE must be CK_TRUE");
  if (!shown.has(CKA_VTPM_NV_INDEX)) {
    shown.set_number(CKA_VTPM_NV_INDEX, index_from_label(shown.get(CKA_LABEL)).value_or(kAnyNvIndex));
  }
  const CK_ULONG index = *shown.number(CKA_VTPM_NV_INDEX);
  refuse_if(index != kAnyNvIndex && (index < tpm::kNvFirst || index > tpm::kNvLast), CKR_ATTRIBUTE_VALUE_INVALID,
            "NV indices are 0x01000000 to 0x01FFFFFF");
  if (!by_application && shown.get(CKA_APPLICATION).empty()) shown.set(CKA_APPLICATION, as_bytes(kNvApplication));
  check_nv_value(draft.secret.get(CKA_VALUE));
  return true;
}

void check_nv_value(ByteView value) {
  refuse_if(value.empty() || value.size() > tpm::kNvMaxOctets, CKR_ATTRIBUTE_VALUE_INVALID,
            "an NV area holds 1 to 2048 octets");
}

uint32_t free_nv_index(tpm::Commands& tpm) {
  const std::vector<uint32_t> used = tpm::nv_list(tpm);
  for (uint32_t index = kOwnerFirst; index <= kOwnerLast; ++index) {
    if (!std::binary_search(used.begin(), used.end(), index)) return index;
  }
  refuse(CKR_DEVICE_MEMORY, "every NV index of the owner's range is in use");
}

void create_nv_area(tpm::Commands& tpm, uint32_t index, ByteView value) {
  try {
    tpm::nv_define(tpm, index, static_cast<uint16_t>(value.size()), tpm::nv_default_attributes());
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kNvExists) throw;
    char text[64];
    std::snprintf(text, sizeof text, "NV index 0x%08x is in use", index);
    refuse(CKR_ATTRIBUTE_VALUE_INVALID, text);
  }
  tpm::nv_write(tpm, require_area(tpm, index), 0, value);
}

void replace_nv_value(tpm::Commands& tpm, uint32_t index, ByteView value) {
  tpm::NvPublic area = require_area(tpm, index);
  if (area.size != value.size()) {
    tpm::nv_undefine(tpm, index);
    // TPMA_NV_WRITTEN is the TPM's to set.
    constexpr uint32_t kWritten = 1u << 29;
    tpm::nv_define(tpm, index, static_cast<uint16_t>(value.size()), area.attributes & ~kWritten);
    area = require_area(tpm, index);
  }
  tpm::nv_write(tpm, area, 0, value);
}

SecretBytes read_nv_value(tpm::Commands& tpm, uint32_t index) { return tpm::nv_read(tpm, require_area(tpm, index)); }

}  // namespace vtpm::pkcs11
