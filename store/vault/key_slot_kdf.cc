// SPDX-License-Identifier: Apache-2.0
#include "store/vault/key_slot_kdf.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>

#include "base/der.h"
#include "base/error.h"
#include "crypto/library/random.h"
#include "store/format/log_format.h"

namespace vtpm::store {
namespace {

using crypto::Argon2Parameters;
using crypto::Pbkdf2Parameters;
using Cost = decltype(KeySlotKdf::cost);

constexpr size_t kStretchedBytes = 64;

template <typename... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};
template <typename... Cases>
Overloaded(Cases...) -> Overloaded<Cases...>;

// An INTEGER within bounds, or nothing.
std::optional<uint32_t> bounded(DerReader& reader, uint32_t low, uint32_t high) {
  auto element = reader.next(DerTag::kInteger);
  auto value = element ? read_der_unsigned(*element) : std::nullopt;
  if (!value || *value < low || *value > high) return std::nullopt;
  return static_cast<uint32_t>(*value);
}

std::optional<Cost> read_argon2id(DerReader& reader) {
  auto memory = bounded(reader, 8192, 1 << 20);
  auto passes = bounded(reader, 1, 64);
  auto lanes = bounded(reader, 1, 16);
  if (!memory || !passes || !lanes) return std::nullopt;
  return Argon2Parameters{*memory, *passes, *lanes};
}

std::optional<Cost> read_pbkdf2(DerReader& reader) {
  auto iterations = bounded(reader, crypto::kPbkdf2Least, crypto::kPbkdf2Most);
  if (!iterations) return std::nullopt;
  return Pbkdf2Parameters{*iterations};
}

std::optional<Cost> read_raw(DerReader& reader) {
  auto bytes = bounded(reader, 16, 32);
  if (!bytes || *bytes % 8 != 0) return std::nullopt;
  return RawKdf{*bytes};
}

struct Algorithm {
  std::string_view name;
  std::optional<Cost> (*read)(DerReader&);
  bool salted;
};
// In the order of the alternatives of KeySlotKdf::cost.
constexpr std::array<Algorithm, 3> kAlgorithms = {{
    {kKdfArgon2id, read_argon2id, true},
    {kKdfPbkdf2, read_pbkdf2, true},
    {kKdfRaw, read_raw, false},
}};

const Algorithm& algorithm_of(const KeySlotKdf& kdf) { return kAlgorithms[kdf.cost.index()]; }

std::vector<uint32_t> numbers_of(const KeySlotKdf& kdf) {
  return std::visit(Overloaded{[](const Argon2Parameters& cost) -> std::vector<uint32_t> {
                                 return {cost.memory_kib, cost.passes, cost.lanes};
                               },
                               [](const Pbkdf2Parameters& cost) -> std::vector<uint32_t> { return {cost.iterations}; },
                               [](const RawKdf& cost) -> std::vector<uint32_t> { return {cost.bytes}; }},
                    kdf.cost);
}

std::chrono::duration<double, std::milli> time_of(const KdfCost& cost) {
  const KeySlotKdf kdf{std::visit([](const auto& chosen) { return Cost(chosen); }, cost), Bytes(kKdfSaltBytes)};
  const auto begin = std::chrono::steady_clock::now();
  stretch({}, kdf);
  return std::chrono::steady_clock::now() - begin;
}

uint32_t scaled(double one, uint32_t milliseconds, uint32_t low, uint32_t high) {
  const double times = milliseconds / std::max(one, 0.001);
  return static_cast<uint32_t>(std::clamp(times, static_cast<double>(low), static_cast<double>(high)));
}

}  // namespace

KdfCost KeySlotKdf::stretching() const {
  return std::visit(
      Overloaded{[](const RawKdf&) -> KdfCost { throw Error(ErrorCode::kInternal, "a raw key is not stretched"); },
                 [](const auto& chosen) -> KdfCost { return chosen; }},
      cost);
}

KeySlotKdf fresh_kdf(const KdfCost& cost) {
  return {std::visit([](const auto& chosen) { return Cost(chosen); }, cost), crypto::random_bytes(kKdfSaltBytes)};
}

StretchedSecret stretch(ByteView secret, const KeySlotKdf& kdf) {
  return StretchedSecret(std::visit(
      Overloaded{
          [&](const Argon2Parameters& cost) { return crypto::argon2id(secret, kdf.salt, cost, kStretchedBytes); },
          [&](const Pbkdf2Parameters& cost) {
            return crypto::pbkdf2(secret, kdf.salt, cost.iterations, kStretchedBytes);
          },
          [](const RawKdf&) -> SecretBytes { throw Error(ErrorCode::kInternal, "a raw key is not stretched"); }},
      kdf.cost));
}

KdfCost cost_taking(uint32_t milliseconds, const KdfCost& like) {
  if (const auto* argon2 = std::get_if<Argon2Parameters>(&like)) {
    Argon2Parameters cost = *argon2;
    cost.passes = 1;
    cost.passes = scaled(time_of(cost).count(), milliseconds, 1, 64);
    return cost;
  }
  constexpr uint32_t kSample = 10 * crypto::kPbkdf2Least;
  const double one = time_of(Pbkdf2Parameters{kSample}).count() / kSample;
  return Pbkdf2Parameters{scaled(one, milliseconds, crypto::kPbkdf2Least, crypto::kPbkdf2Most)};
}

KdfEffort effort_of(const KdfCost& cost) {
  return std::visit(Overloaded{[](const Argon2Parameters& argon2) -> KdfEffort {
                                 return {uint64_t{argon2.memory_kib} * argon2.passes, argon2.memory_kib};
                               },
                               [](const Pbkdf2Parameters& pbkdf2) -> KdfEffort {
                                 return {uint64_t{pbkdf2.iterations} * 7 / 10, 0};
                               }},
                    cost);
}

std::vector<bool> unexpected(const std::vector<KdfCost>& costs, const KdfCost& configured) {
  constexpr uint64_t kEach = 2, kTogether = 4, kLeastMemory = 8192;
  const KdfEffort own = effort_of(configured);
  const uint64_t work = std::max(own.work, effort_of(Pbkdf2Parameters{}).work);
  const uint64_t memory = std::max(own.memory_kib, kLeastMemory);
  std::vector<size_t> order(costs.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return effort_of(costs[a]).work < effort_of(costs[b]).work; });
  std::vector<bool> dear(costs.size());
  uint64_t together = 0;
  for (size_t i : order) {
    const KdfEffort effort = effort_of(costs[i]);
    together += effort.work;
    dear[i] = effort.work > kEach * work || effort.memory_kib > kEach * memory || together > kTogether * work;
  }
  return dear;
}

std::string describe(const KeySlotKdf& kdf) {
  static constexpr std::string_view kUnits[3][3] = {
      {" KiB", " passes", " lanes"}, {" iterations", "", ""}, {" bytes", "", ""}};
  std::string text(algorithm_of(kdf).name);
  const std::vector<uint32_t> numbers = numbers_of(kdf);
  for (size_t i = 0; i < numbers.size(); ++i) {
    text += ", " + std::to_string(numbers[i]) + std::string(kUnits[kdf.cost.index()][i]);
  }
  return text;
}

Bytes encode_kdf(const KeySlotKdf& kdf) {
  Bytes values;
  write_der(values, DerTag::kIa5String, as_bytes(algorithm_of(kdf).name));
  for (uint32_t number : numbers_of(kdf)) write_der_unsigned(values, number);
  if (algorithm_of(kdf).salted) write_der(values, DerTag::kOctetString, kdf.salt);
  return values;
}

KeySlotKdf read_kdf(const std::string& slot, ByteView values) {
  DerReader reader(values);
  auto name = reader.next(DerTag::kIa5String);
  const auto* algorithm = std::find_if(kAlgorithms.begin(), kAlgorithms.end(), [&](const Algorithm& known) {
    return name && as_text(name->contents) == known.name;
  });
  if (algorithm == kAlgorithms.end()) {
    throw Error(ErrorCode::kUnsupported,
                "key slot '" + slot + "' uses a key derivation that this version does not have");
  }
  auto cost = algorithm->read(reader);
  auto salt = algorithm->salted ? reader.next(DerTag::kOctetString) : std::nullopt;
  if (!cost || (algorithm->salted && (!salt || salt->contents.size() != kKdfSaltBytes)) || !reader.empty()) {
    throw Error(ErrorCode::kUnsupported, "key slot '" + slot + "': cost of the KDF out of range");
  }
  return {*cost, salt ? to_bytes(salt->contents) : Bytes()};
}

}  // namespace vtpm::store
