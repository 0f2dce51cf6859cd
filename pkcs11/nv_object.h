// Data objects whose value lives in an NV index of the TPM.
//
// A template asks for one with CKA_VTPM_NV_INDEX, or with CKA_APPLICATION "tpm-nv" (then CKA_LABEL may name the index,
// "0x01800001"; any other label takes the next free index). The record in the store holds the attributes, the TPM holds
// the value; both change in one transaction. The TPM's state is sealed, so these objects are always private.
#pragma once

#include <cstdint>

#include "pkcs11/schema.h"
#include "tpm/nv.h"

namespace vtpm::pkcs11 {

inline constexpr const char* kNvApplication = "tpm-nv";
/// CKA_VTPM_NV_INDEX of a draft that takes the next free index.
inline constexpr CK_ULONG kAnyNvIndex = 0;

/// True when the draft asks for an NV area; then its attributes are checked and completed. Throws Refusal:
/// CKR_TEMPLATE_INCONSISTENT (not a private token object), CKR_ATTRIBUTE_VALUE_INVALID (index, size).
bool prepare_nv_object(Draft& draft);
void check_nv_value(ByteView value);

/// The first free index of the owner's range.
uint32_t free_nv_index(tpm::Commands& tpm);
/// Defines the area and writes it. Throws Refusal CKR_ATTRIBUTE_VALUE_INVALID when the index is in use.
void create_nv_area(tpm::Commands& tpm, uint32_t index, ByteView value);
/// Writes a new value; an area of another size is defined anew with the same attributes.
void replace_nv_value(tpm::Commands& tpm, uint32_t index, ByteView value);
SecretBytes read_nv_value(tpm::Commands& tpm, uint32_t index);

}  // namespace vtpm::pkcs11
