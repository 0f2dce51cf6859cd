// SPDX-License-Identifier: Apache-2.0
// Blobs that a command line or a description names, to be put into a store: what they are called, of what type, how
// much room they get, and their bytes.
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
  std::string name, type;  // type empty: `default_type`, or what the name has already
  size_t capacity = 0;     // bytes; 0: not registered
  std::string file;
  bool sealed = true;
  SecretBytes contents;
};

/// One --blob. Throws Error kInvalidArgument that says what is missing.
Blob parse_blob(const std::string& text, bool sealed);
/// The blobs of a description; "-" is the standard input. Files are relative to the description's directory. Throws
/// Error: kIo, kInvalidArgument that names the field.
std::vector<Blob> read_description(const std::string& file);
/// Bytes: a number, with k or M for 1024 and 1024 * 1024 of them. Throws Error kInvalidArgument.
size_t parse_bytes(const std::string& text, const std::string& what);

/// `tpm2-permall`, `tpm2-volatile`, `tpm2-savestate` for names that end in `/permall`, `/volatile`, `/savestate`; else
/// `blob`.
std::string default_type(const std::string& name);

/// Reads the files, and refuses what no store should hold: a name twice, more than the capacity, a TPM state that a
/// process of its own does not boot and walk, a suspended TPM's state without its permanent one. A permanent state that
/// swtpm wrote, unencrypted, is unwrapped. Makes processes: no store may be open. Throws Error.
void load_blobs(std::vector<Blob>& blobs, const Progress& progress);

/// Puts one into a store.
void put_blob(store::Transaction& transaction, const Blob& blob, store::Cipher cipher);

}  // namespace vtpm::tools
