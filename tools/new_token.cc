// SPDX-License-Identifier: Apache-2.0
#include "tools/new_token.h"

#include <iostream>

#include "base/settings/config.h"
#include "pkcs11/token/token.h"
#include "tools/configuration.h"
#include "tools/find_store.h"
#include "tools/standard_output.h"
#include "tools/usage.h"

namespace vtpm::tools {
namespace {

void require_length(const std::string& name, ByteView pin) {
  if (pin.size() >= pkcs11::kPinLeast && pin.size() <= pkcs11::kPinMost) return;
  throw UsageError("the " + name + " has " + std::to_string(pin.size()) + " bytes: a PIN must have 4 to 255 bytes");
}

const store::FoundStore* with_serial(const store::StoreDirectory& directory, const std::string& serial) {
  for (const store::FoundStore& store : directory.stores()) {
    if (store.name && store.name->serial == serial) return &store;
  }
  return nullptr;
}

}  // namespace

void require_empty_pin_allowed() {
  if (configuration().empty_pin) return;
  throw UsageError("the user PIN is empty: set pin.empty = true in the configuration to allow that");
}

void require_user_pin_fits(ByteView pin) {
  if (pin.empty()) return require_empty_pin_allowed();
  require_length("user PIN", pin);
}

NewToken::NewToken(const Cryptoki& cryptoki, const NewPins& pins, const Label& label) {
  require_length("SO PIN", pins.so);
  if (pins.user) require_user_pin_fits(*pins.user);
  slot_ = make_token(cryptoki, pins.so, label);
  try {
    serial_ = trimmed(cryptoki.token_info(slot_).serialNumber);
    const auto directory = store_directory();
    const store::FoundStore* store = with_serial(*directory, serial_);
    path_ = store ? store->path : directory->path_of(serial_);
    if (pins.user) set_user_pin(slot_, pins.so, *pins.user);
  } catch (...) {
    remove();
    throw;
  }
}

NewToken::~NewToken() {
  if (!kept_) remove();
}

void NewToken::remove() const noexcept {
  if (serial_.empty()) return;  // the token was not made, or is unknown
  try {
    try {
      const auto directory = store_directory();
      const auto lock = directory->lock();
      directory->refresh();
      if (const store::FoundStore* store = with_serial(*directory, serial_)) directory->remove(*store);
    } catch (const std::exception& error) {
      std::cerr << "vtpm-token: an unfinished token remains in " << shown(path_) << ": " << shown(error.what())
                << " (remove it with vtpm-token delete " << serial_ << ")\n";
    }
  } catch (...) {  // there is no memory for the sentence
  }
}

}  // namespace vtpm::tools
