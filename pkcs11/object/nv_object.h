// SPDX-License-Identifier: Apache-2.0
// Objects whose value lives in an NV index of the TPM.
//
// A template for CKO_DATA asks for one with CKA_VTPM_NV_INDEX, or with CKA_APPLICATION "tpm-nv" (then CKA_LABEL may
// name the index, "0x01800001"; any other label takes the next free index). CKA_VTPM_NV_TYPE makes it a bit field or an
// extend area. A counter is a CKO_HW_FEATURE object of type CKH_MONOTONIC_COUNTER. The record in the store holds the
// attributes, the TPM holds the value; both change in one transaction. The TPM's state is sealed, so these objects are
// always private.
#pragma once

#include <cstdint>
#include <string>

#include "pkcs11/object/schema.h"
#include "tpm/use/nv.h"

namespace vtpm::pkcs11 {

inline constexpr const char* kNvApplication = "tpm-nv";
/// CKA_VTPM_NV_INDEX of a draft that takes the next free index.
inline constexpr CK_ULONG kAnyNvIndex = 0;

/// "0x01800001"
std::string nv_name(uint32_t index);
/// CKA_OBJECT_ID: the index below an arc of this project (2.25.<UUID>, ITU-T X.667), DER.
Bytes nv_object_id(uint32_t index);

/// True when the draft asks for an NV area; then its attributes are checked and completed. Throws Refusal:
/// CKR_TEMPLATE_INCONSISTENT (not a private token object), CKR_ATTRIBUTE_VALUE_INVALID (index, size, type, attributes
/// whose effect would end with one start of the TPM).
bool prepare_nv_object(Draft& draft);

/// The first free index of the owner's range.
uint32_t free_nv_index(tpm::Commands& tpm);
/// Defines the area of a prepared draft and writes its value. Throws Refusal CKR_ATTRIBUTE_VALUE_INVALID when the index
/// is in use.
void create_nv_area(tpm::Commands& tpm, const Draft& draft);

/// What writing means depends on the area: an ordinary one takes the value (one that this module defined may change its
/// size), a bit field sets the bits of eight bytes, an extend area is extended. `auth`: the area's auth value. Throws
/// Refusal: CKR_ACTION_PROHIBITED (locked, read-only), CKR_ATTRIBUTE_VALUE_INVALID (size).
void write_nv_value(tpm::Commands& tpm, uint32_t index, ByteView value, ByteView auth);
SecretBytes read_nv_value(tpm::Commands& tpm, uint32_t index, ByteView auth);
/// A counter's next value, eight bytes. Stores.
SecretBytes count_up(tpm::Commands& tpm, uint32_t index, ByteView auth);
/// TPMA_NV. Throws Refusal CKR_DEVICE_ERROR when the index is gone.
uint32_t nv_attributes(tpm::Commands& tpm, uint32_t index);

}  // namespace vtpm::pkcs11
