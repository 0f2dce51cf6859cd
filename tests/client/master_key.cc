// SPDX-License-Identifier: Apache-2.0
// master_key STORE < PIN: prints the master key of a store in hexadecimal, so that a test can search for it.
#include <cstdio>
#include <iostream>
#include <iterator>

#include "store/log/file_log.h"
#include "store/vault/key_slot.h"

using namespace vtpm;

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const std::string pin{std::istreambuf_iterator<char>(std::cin), {}};
  const auto store = store::FileLog::open(store::posix_file_system(), argv[1], true);
  for (unsigned number = 1; number <= store::kMaxSlots; ++number) {
    auto stored = store->read(store::slot_name(number));
    if (!stored) continue;
    const store::KeySlot slot(std::move(stored->bytes));
    const auto secret = store::stretch(as_bytes(pin), slot.kdf());
    if (!slot.opens_with(secret)) continue;
    std::puts(to_hex(slot.master_key(secret, store->uuid())->key()).c_str());
    return 0;
  }
  return 1;
}
