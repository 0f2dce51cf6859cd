// SPDX-License-Identifier: Apache-2.0
// PKCS#11 as this module implements it: the standard's numbers, types and functions, 2.40 to 3.2, and the module's
// vendor numbers. The C functions are the only symbols that the module exports.
#pragma once

#include "pkcs11/cryptoki/functions.h"

// Vendor attributes (docs/pkcs11.md). 0x5654 is "VT".
inline constexpr CK_ATTRIBUTE_TYPE kVtpmVendor = CKA_VENDOR_DEFINED | 0x56540000UL;
/// CK_BBOOL: the private key lives in the TPM. In a template: it must live there, or must not.
inline constexpr CK_ATTRIBUTE_TYPE CKA_VTPM_RESIDENT = kVtpmVendor | 0x0001;
/// CK_ULONG: the NV index (0x01000000 …) that holds the value of a data object.
inline constexpr CK_ATTRIBUTE_TYPE CKA_VTPM_NV_INDEX = kVtpmVendor | 0x0002;
/// CK_BBOOL: the object was written under a login (its record is sealed, or carries a MAC that was checked).
inline constexpr CK_ATTRIBUTE_TYPE CKA_VTPM_BOUND = kVtpmVendor | 0x0003;
/// Bytes: the value of an NV area or counter; reading it has no effect.
inline constexpr CK_ATTRIBUTE_TYPE CKA_VTPM_NV_VALUE = kVtpmVendor | 0x0004;
/// CK_ULONG: TPMA_NV of an NV area (TPM 2.0 Part 2, 13.4).
inline constexpr CK_ATTRIBUTE_TYPE CKA_VTPM_NV_ATTRIBUTES = kVtpmVendor | 0x0005;
/// CK_ULONG: TPM_NT of an NV area: 0 ordinary, 1 counter, 2 bit field, 4 extend, 8 and 9 PIN areas.
inline constexpr CK_ATTRIBUTE_TYPE CKA_VTPM_NV_TYPE = kVtpmVendor | 0x0006;
/// Bytes, sealed: the auth value of an NV area or of a persistent key.
inline constexpr CK_ATTRIBUTE_TYPE CKA_VTPM_AUTH = kVtpmVendor | 0x0007;
/// CK_ULONG: the persistent handle (0x81000000 …) of a key that the TPM itself keeps.
inline constexpr CK_ATTRIBUTE_TYPE CKA_VTPM_HANDLE = kVtpmVendor | 0x0008;
// Bytes, read-only: evidence that a private key lives in the TPM (docs/security.md, "Attestation"), with an empty
// nonce.
/// TPM2B_PUBLIC of the key.
inline constexpr CK_ATTRIBUTE_TYPE CKA_VTPM_PUBLIC = kVtpmVendor | 0x0010;
/// TPM2_Certify: TPMS_ATTEST, TPMT_SIGNATURE.
inline constexpr CK_ATTRIBUTE_TYPE CKA_VTPM_CERTIFY_INFO = kVtpmVendor | 0x0011;
inline constexpr CK_ATTRIBUTE_TYPE CKA_VTPM_CERTIFY_SIGNATURE = kVtpmVendor | 0x0012;
/// TPM2_CertifyCreation, of keys that this TPM made: TPMS_ATTEST, TPMT_SIGNATURE, TPM2B_CREATION_DATA.
inline constexpr CK_ATTRIBUTE_TYPE CKA_VTPM_CREATION_INFO = kVtpmVendor | 0x0013;
inline constexpr CK_ATTRIBUTE_TYPE CKA_VTPM_CREATION_SIGNATURE = kVtpmVendor | 0x0014;
inline constexpr CK_ATTRIBUTE_TYPE CKA_VTPM_CREATION_DATA = kVtpmVendor | 0x0015;
/// The attestation key: TPM2B_PUBLIC, its X.509 certificate, and that of the endorsement key.
inline constexpr CK_ATTRIBUTE_TYPE CKA_VTPM_ATTESTATION_PUBLIC = kVtpmVendor | 0x0016;
inline constexpr CK_ATTRIBUTE_TYPE CKA_VTPM_ATTESTATION_CERTIFICATE = kVtpmVendor | 0x0017;
inline constexpr CK_ATTRIBUTE_TYPE CKA_VTPM_ENDORSEMENT_CERTIFICATE = kVtpmVendor | 0x0018;

/// Whether an attribute is a vendor attribute of this module, known or not.
constexpr bool is_vtpm_attribute(CK_ATTRIBUTE_TYPE type) { return (type & ~CK_ATTRIBUTE_TYPE{0xFFFF}) == kVtpmVendor; }

// Fields of records that are never shown through PKCS#11 (docs/format.md, "PKCS#11 objects").
inline constexpr CK_ATTRIBUTE_TYPE kFieldTpmPublic = kVtpmVendor | 0x0101;
inline constexpr CK_ATTRIBUTE_TYPE kFieldTpmPrivate = kVtpmVendor | 0x0102;
inline constexpr CK_ATTRIBUTE_TYPE kFieldTpmAuth = kVtpmVendor | 0x0103;
inline constexpr CK_ATTRIBUTE_TYPE kFieldCreationData = kVtpmVendor | 0x0104;
inline constexpr CK_ATTRIBUTE_TYPE kFieldCreationHash = kVtpmVendor | 0x0105;
inline constexpr CK_ATTRIBUTE_TYPE kFieldCreationTicket = kVtpmVendor | 0x0106;
inline constexpr CK_ATTRIBUTE_TYPE kFieldSerial = kVtpmVendor | 0x0201;
inline constexpr CK_ATTRIBUTE_TYPE kFieldSlotNumber = kVtpmVendor | 0x0202;
