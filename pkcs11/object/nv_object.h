// SPDX-License-Identifier: Apache-2.0
// Objects whose value is in an NV index of the TPM.
//
// A template for CKO_DATA requests one by CKA_VTPM_NV_INDEX, or by CKA_APPLICATION "tpm-nv". In the latter case
// CKA_LABEL may name the index ("0x01800001"); with any other label the object takes the next free index.
// CKA_VTPM_NV_TYPE makes it a bit field or an extend area. A counter is a CKO_HW_FEATURE object of type
// CKH_MONOTONIC_COUNTER (PKCS#11 3.2, 4.5.2).
//
// The record in the store holds the attributes and the TPM holds the value; one transaction changes both. Because the
// TPM's state is sealed, these objects are always private.
//
// The functions that take tpm::Commands run inside Engine::use_current or Engine::change, on the thread of the caller.
#pragma once

#include <cstdint>
#include <string>

#include "pkcs11/object/schema.h"
#include "tpm/use/nv.h"

namespace vtpm::pkcs11 {

inline constexpr const char* kNvApplication = "tpm-nv";
/// The CKA_VTPM_NV_INDEX of a draft that takes the next free index.
inline constexpr CK_ULONG kAnyNvIndex = 0;

/// The name of an index in labels and messages: "0x01800001".
std::string nv_name(uint32_t index);
/// The CKA_OBJECT_ID of an index, in DER: the index below an arc of this project (2.25.<UUID>, ITU-T X.667).
Bytes nv_object_id(uint32_t index);

/// Returns whether the draft requests an NV area; if so, checks and completes its attributes. Throws Refusal:
/// CKR_TEMPLATE_INCONSISTENT (not a private token object), CKR_ATTRIBUTE_VALUE_INVALID (index, size, type, or
/// attributes that would last until the TPM's next start only).
bool prepare_nv_object(Draft& draft);

/// The lowest free index of the owner's range. Throws Refusal CKR_DEVICE_MEMORY if there is none.
uint32_t free_nv_index(tpm::Commands& tpm);
/// Defines the area of a prepared draft and writes its value. Stores. Throws Refusal CKR_ATTRIBUTE_VALUE_INVALID if the
/// index is in use.
void create_nv_area(tpm::Commands& tpm, const Draft& draft);

/// Writes to an area. Stores. An ordinary area takes the value (one with the module's default attributes also takes a
/// value of another size); a bit field sets the bits of the eight bytes; an extend area is extended with the value.
/// `auth`: the area's auth value. Throws Refusal: CKR_ACTION_PROHIBITED (locked, read-only, or not authorized),
/// CKR_ATTRIBUTE_VALUE_INVALID (size), CKR_ATTRIBUTE_READ_ONLY (a counter), CKR_DEVICE_ERROR (the index no longer
/// exists).
void write_nv_value(tpm::Commands& tpm, uint32_t index, ByteView value, ByteView auth);
/// The value of an area. Throws Refusal CKR_DEVICE_ERROR if the index no longer exists, Error kAuthFailed.
SecretBytes read_nv_value(tpm::Commands& tpm, uint32_t index, ByteView auth);
/// Increments a counter and returns its new value, eight bytes. Stores. Throws as read_nv_value.
SecretBytes count_up(tpm::Commands& tpm, uint32_t index, ByteView auth);
/// The TPMA_NV of an area. Throws Refusal CKR_DEVICE_ERROR if the index no longer exists.
uint32_t nv_attributes(tpm::Commands& tpm, uint32_t index);

}  // namespace vtpm::pkcs11
