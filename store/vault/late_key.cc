// SPDX-License-Identifier: Apache-2.0
#include "store/vault/late_key.h"

#include <algorithm>
#include <exception>
#include <new>

#include "base/locks_after_fork.h"
#include "store/vault/vault_impl.h"

namespace vtpm::store {
namespace {

std::vector<EntryInfo> sealed_below(const Vault& vault, const std::string& prefix) {
  std::vector<EntryInfo> entries = vault.list(prefix);
  std::erase_if(entries, [](const EntryInfo& entry) { return entry.protection != Protection::kSealed; });
  return entries;
}

}  // namespace

void KeySubscription::end() noexcept {
  if (!handler_) return;
  std::lock_guard<std::recursive_mutex> not_running(handler_->running);
  handler_->ended = true;
}

KeySubscription& KeySubscription::operator=(KeySubscription&& other) noexcept {
  if (this == &other) return *this;
  end();
  handler_ = std::move(other.handler_);
  return *this;
}

KeySubscription::~KeySubscription() { end(); }

void KeyHandlers::add(const std::shared_ptr<Handler>& handler) {
  std::lock_guard<std::mutex> guard(mutex_);
  handlers_.push_back(handler);
}

std::vector<std::shared_ptr<KeyHandlers::Handler>> KeyHandlers::living() {
  std::lock_guard<std::mutex> guard(mutex_);
  std::erase_if(handlers_, [](const auto& handler) { return handler.expired(); });
  std::vector<std::shared_ptr<Handler>> all;
  for (const auto& handler : handlers_) {
    if (auto one = handler.lock()) all.push_back(std::move(one));
  }
  return all;
}

void KeyHandlers::call(const Vault& vault) {
  std::exception_ptr first;
  for (const auto& handler : living()) {
    std::lock_guard<std::recursive_mutex> running(handler->running);
    if (handler->ended) continue;
    try {
      handler->reload(sealed_below(vault, handler->prefix));
    } catch (...) {
      if (!first) first = std::current_exception();
    }
  }
  if (first) std::rethrow_exception(first);
}

void KeyHandlers::after_fork() {
  make_anew(mutex_);
  for (const auto& handler : living()) make_anew(handler->running);
}

KeySubscription Vault::on_key(std::string prefix, Reload reload) {
  auto handler = std::make_shared<KeySubscription::Handler>();
  handler->prefix = std::move(prefix);
  handler->reload = std::move(reload);
  impl_->handlers_.add(handler);
  return KeySubscription(std::move(handler));
}

}  // namespace vtpm::store
