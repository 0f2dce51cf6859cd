// SPDX-License-Identifier: Apache-2.0
#include "tools/amend_json.h"

#include <array>

#include "base/error.h"

namespace vtpm::tools {
namespace {

using nlohmann::json;
using store::DesiredState;

[[noreturn]] void refuse(const std::string& sentence) { throw Error(ErrorCode::kInvalidArgument, sentence); }

// Takes the text of a string field, and wipes the JSON value's copy.
SecretBytes take_secret(json& value, const char* field) {
  if (!value.is_string()) refuse(std::string("'") + field + "' must be a string");
  auto& text = value.get_ref<std::string&>();
  SecretBytes secret(as_bytes(text));
  wipe(text.data(), text.size());
  return secret;
}

uint32_t number_of(const json& value, const char* field) {
  if (!value.is_number_unsigned() || value.get<uint64_t>() > UINT32_MAX) {
    refuse(std::string("'") + field + "' must be a whole number of at least 0");
  }
  return static_cast<uint32_t>(value.get<uint64_t>());
}

std::string text_of(const json& value, const char* field) {
  if (!value.is_string()) refuse(std::string("'") + field + "' must be a string");
  return value.get<std::string>();
}

void read_state(DesiredState& desired, json& value) {
  const std::string state = text_of(value, "state");
  if (state != "active" && state != "inactive")
    refuse("'state' must be \"active\" or \"inactive\", not \"" + state + "\"");
  desired.state = state == "active" ? DesiredState::State::kActive : DesiredState::State::kInactive;
}
void read_keyslot(DesiredState& desired, json& value) { desired.keyslot = number_of(value, "keyslot"); }
void read_secret(DesiredState& desired, json& value) { desired.secret = take_secret(value, "secret"); }
void read_old_secret(DesiredState& desired, json& value) { desired.old_secret = take_secret(value, "old-secret"); }
void read_iter_time(DesiredState& desired, json& value) { desired.iter_time = number_of(value, "iter-time"); }
void read_role(DesiredState& desired, json& value) {
  const auto role = store::role_of(text_of(value, "role"));
  if (!role) refuse("'role' must be \"user\", \"so\", \"recovery\" or \"keyfile\"");
  desired.role = *role;
}

struct Field {
  std::string_view name;
  void (*read)(DesiredState&, json&);
};
constexpr std::array<Field, 6> kFields = {{
    {"state", read_state},
    {"keyslot", read_keyslot},
    {"secret", read_secret},
    {"old-secret", read_old_secret},
    {"iter-time", read_iter_time},
    {"role", read_role},
}};

void read_field(DesiredState& desired, const std::string& name, json& value) {
  for (const Field& field : kFields) {
    if (field.name == name) return field.read(desired, value);
  }
  refuse("'" + name +
         "' is not a field of a desired state: the fields are state, keyslot, secret, iter-time, old-secret and role");
}

}  // namespace

DesiredState parse_desired_state(ByteView text) {
  // The sentence of nlohmann-json is not used, because it quotes the text, which may be a secret.
  json object = json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) refuse("the desired state is not a JSON object");
  if (!object.contains("state")) refuse("the desired state has no 'state'");
  DesiredState desired;
  for (auto& [name, value] : object.items()) read_field(desired, name, value);
  return desired;
}

json json_of(const std::vector<store::KeySlotInfo>& slots) {
  json all = json::array();
  for (const store::KeySlotInfo& slot : slots) {
    json one{{"keyslot", slot.number}, {"state", "active"}, {"kdf", slot.kdf}, {"epoch", slot.epoch}};
    if (slot.role) one["role"] = store::role_name(*slot.role);
    if (!slot.finding.empty()) one["finding"] = slot.finding;
    all.push_back(std::move(one));
  }
  return all;
}

}  // namespace vtpm::tools
