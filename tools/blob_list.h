// SPDX-License-Identifier: Apache-2.0
// The blobs that a command line or a description names, to be written to a store: name, type, capacity, and contents.
//
//   --blob NAME[:TYPE[:CAPACITY]]=FILE       names and types with ':' or '=' need a description:
//   { "blobs": [ { "name": …, "type": …, "capacity": …, "file": …, "sealed": true } ] }
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "store/vault/vault.h"

namespace vtpm::tools {

struct Blob {
  std::string name, type;  // an empty type means `default_type`, or the type that the entry has
  size_t capacity = 0;     // in bytes; 0: the blob is not registered
  std::string file;
  bool sealed = true;
  SecretBytes contents;
};

/// Parses one --blob or --clear-blob. Throws Error kInvalidArgument, which says what is missing.
Blob parse_blob(const std::string& text, bool sealed);
/// Reads a description; "-" is the standard input. Paths in it are relative to its directory. Throws Error: kIo;
/// kInvalidArgument, which names the field.
std::vector<Blob> read_description(const std::string& file);
/// Parses a number of bytes, with the suffix k for 1024 or M for 1024 * 1024. Throws Error kInvalidArgument.
size_t parse_bytes(const std::string& text, const std::string& what);

/// `tpm2-permall`, `tpm2-volatile`, `tpm2-savestate` for names that end in `/permall`, `/volatile`, `/savestate`; else
/// `blob`.
std::string default_type(const std::string& name);

/// Reads the files of the blobs, and unwraps an unencrypted permanent state of swtpm. Throws Error if a name occurs
/// twice, contents exceed their capacity, a TPM state cannot be booted and examined, or the state of a suspended TPM
/// comes without its permanent state. Starts child processes, so no store may be open.
void load_blobs(std::vector<Blob>& blobs, const Progress& progress);

/// Puts a blob into a transaction: sealed if it is to be sealed and the store has a cipher.
void put_blob(store::Transaction& transaction, const Blob& blob, store::Cipher cipher);

}  // namespace vtpm::tools
