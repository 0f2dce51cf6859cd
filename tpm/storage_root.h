// The storage root key: the parent of every key that this token makes.
#pragma once

#include <cstdint>

namespace vtpm::tpm {

class Commands;

/// Where it is persisted (TCG Provisioning Guidance, 7.8: the first handle of the owner's range).
constexpr uint32_t kStorageRoot = 0x81000001;

/// Creates the ECC P-256 storage root key in the owner hierarchy and persists it. Stores.
void create_storage_root(Commands& tpm);

}  // namespace vtpm::tpm
