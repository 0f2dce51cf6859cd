// SPDX-License-Identifier: Apache-2.0
// The constants of the store's format. They mirror docs/format.md, which is the authority and gives the reasons.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "base/bytes.h"

namespace vtpm::store {

// Store ::= 31 80 Entry* 00 00. The file ends with zeros, of which the last two are the end-of-contents bytes.
constexpr std::array<uint8_t, 2> kStoreBegin = {0x31, 0x80};
constexpr uint64_t kLogStart = kStoreBegin.size();
constexpr uint64_t kEndBytes = 2;

/// The number of bytes from `offset` to the end of a file of `size` bytes; 0 if the file ends before.
constexpr uint64_t bytes_behind(uint64_t offset, uint64_t size) { return size > offset ? size - offset : 0; }

constexpr uint64_t kFormatNumber = 1;
/// Space that is kept free behind the log for the case of a full disk: retry counters may use all of it, deletions must
/// leave kReserveForLogins, all other changes must leave all of it.
constexpr uint64_t kReserveBytes = 8192, kReserveForLogins = 4096;
constexpr uint64_t kMaxEntryBytes = 16u << 20;
constexpr uint64_t kMaxStoreBytes = (uint64_t{1} << 32) - 1;
constexpr size_t kMaxNameBytes = 255;
constexpr size_t kMaxTypeBytes = 64;
constexpr size_t kMaxTransactionEntries = 65535;

constexpr uint64_t kMaxSequence = uint64_t{1} << 62;  // an entry with a higher number is forged
constexpr uint64_t kMaxSequenceStep = uint64_t{1} << 32;
constexpr uint64_t kSequenceJump = 65536;  // after an unclean end
/// Bytes between the end of one copy and the start of the other, so that no page holds parts of both.
constexpr uint64_t kCopyDistance = 4096;

constexpr size_t kUuidBytes = 16;
constexpr size_t kSaltBytes = 16;
using Uuid = std::array<uint8_t, kUuidBytes>;
using Salt = std::array<uint8_t, kSaltBytes>;

namespace type {
constexpr std::string_view kHeader = "blobstore";
constexpr std::string_view kKeySlot = "keyslot";
constexpr std::string_view kAttempt = "attempt";
constexpr std::string_view kMoved = "moved";
constexpr std::string_view kFree = "free";
}  // namespace type

/// Types whose entries always count as having `norollback`, because stores that are older than this attribute hold them
/// without it. The list is closed.
constexpr std::array<std::string_view, 1> kLegacyTypesWithoutRollback = {"tpm2-permall"};

namespace attribute {
// mandatory: a reader rejects an entry that has one which it does not know
constexpr std::string_view kSequence = "seq";
constexpr std::string_view kRealSize = "realsize";
constexpr std::string_view kEncryption = "enc";
constexpr std::string_view kDeleted = "del";
constexpr std::string_view kKdf = "kdf";
constexpr std::string_view kCommit = "commit";
constexpr std::string_view kEpoch = "epoch";
constexpr std::string_view kFormat = "format";
constexpr std::string_view kSalt = "salt";
constexpr std::string_view kCipher = "cipher";
constexpr std::string_view kFixed = "fixed";
// optional: a reader skips and preserves one that it does not know
constexpr std::string_view kCrc = "crc32c";
constexpr std::string_view kMac = "mac";
constexpr std::string_view kBase = "base";
constexpr std::string_view kRole = "role";
constexpr std::string_view kLimit = "limit";
constexpr std::string_view kIndex = "ix";
constexpr std::string_view kEmptySecret = "empty";
constexpr std::string_view kToBeChanged = "change";
constexpr std::string_view kCreated = "created";
constexpr std::string_view kCapacity = "capacity";
constexpr std::string_view kBorn = "born";
constexpr std::string_view kNoRollback = "norollback";
}  // namespace attribute

constexpr std::string_view kCipherSiv = "aes-256-siv";
constexpr std::string_view kCipherCbc = "aes-cbc";
constexpr std::string_view kCipherNone = "none";
constexpr std::string_view kKdfArgon2id = "argon2id";
constexpr std::string_view kKdfPbkdf2 = "pbkdf2";
constexpr std::string_view kKdfRaw = "raw";
constexpr std::string_view kSlotPrefix = "keyslot/";
constexpr std::string_view kAttemptPrefix = "attempt/";

constexpr size_t kSequenceBytes = 20;
constexpr size_t kRealSizeBytes = 8;
constexpr size_t kCrcBytes = 4;
constexpr size_t kMacBytes = 32;
constexpr size_t kCommitBytes = 32;
constexpr size_t kKdfSaltBytes = 32;
constexpr size_t kMasterKeyBytes = 32;

}  // namespace vtpm::store
