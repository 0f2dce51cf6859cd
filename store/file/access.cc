// SPDX-License-Identifier: Apache-2.0
#include "store/file/access.h"

#include <grp.h>
#include <pwd.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <map>
#include <optional>
#include <string_view>
#include <vector>

#include "base/descriptor.h"

namespace vtpm::store {
namespace {

using Rights = unsigned;  // r 4, w 2, x 1, as in a mode
constexpr Rights kUse = 6;

// --- access control lists, as the kernel hands them out (linux/posix_acl_xattr.h) ---

constexpr const char* kList = "system.posix_acl_access";
constexpr uint16_t kUserObj = 1, kUser = 2, kGroupObj = 4, kGroup = 8, kMask = 16, kOther = 32;
constexpr uint32_t kVersion = 2, kNobody = UINT32_MAX;
constexpr size_t kHeaderBytes = 4, kEntryBytes = 8, kMostBytes = 65536;

// The access of all users, with the masks applied.
struct Access {
  Rights owner = 0, group = 0, other = 0;
  std::map<uint32_t, Rights> users, groups;  // those with entries of their own
};

Access from_mode(mode_t mode) { return {mode >> 6 & kUse, mode >> 3 & kUse, mode & kUse, {}, {}}; }

template <typename T>
T number_at(const std::vector<uint8_t>& bytes, size_t at) {
  T value = 0;
  for (size_t i = sizeof value; i-- > 0;) value = static_cast<T>(value << 8 | bytes[at + i]);
  return value;
}

template <typename T>
void put(std::vector<uint8_t>& bytes, T value) {
  for (size_t i = 0; i < sizeof value; ++i) bytes.push_back(static_cast<uint8_t>(value >> 8 * i));
}

// Returns an empty list if the file has none or the file system does not support them, and nothing if that is unknown.
std::optional<std::vector<uint8_t>> read_list(int file) {
  std::vector<uint8_t> list(kMostBytes);
  const ssize_t bytes = ::fgetxattr(file, kList, list.data(), list.size());
  if (bytes < 0 && errno != ENODATA && errno != EOPNOTSUPP) return std::nullopt;
  list.resize(bytes < 0 ? 0 : static_cast<size_t>(bytes));
  return list;
}

std::optional<Access> parse(const std::vector<uint8_t>& list) {
  if (list.size() < kHeaderBytes || number_at<uint32_t>(list, 0) != kVersion) return std::nullopt;
  Access access;
  Rights mask = kUse;
  for (size_t at = kHeaderBytes; at + kEntryBytes <= list.size(); at += kEntryBytes) {
    const Rights rights = number_at<uint16_t>(list, at + 2) & kUse;
    const auto id = number_at<uint32_t>(list, at + 4);
    switch (number_at<uint16_t>(list, at)) {
      case kUserObj:
        access.owner = rights;
        break;
      case kUser:
        access.users[id] = rights;
        break;
      case kGroupObj:
        access.group = rights;
        break;
      case kGroup:
        access.groups[id] = rights;
        break;
      case kMask:
        mask = rights;
        break;
      case kOther:
        access.other = rights;
        break;
      default:
        return std::nullopt;
    }
  }
  access.group &= mask;
  for (auto& [id, rights] : access.users) rights &= mask;
  for (auto& [id, rights] : access.groups) rights &= mask;
  return access;
}

std::vector<uint8_t> encode(const Access& access) {
  std::vector<uint8_t> list;
  put(list, kVersion);
  const auto entry = [&](uint16_t tag, Rights rights, uint32_t id = kNobody) {
    put(list, tag);
    put(list, static_cast<uint16_t>(rights));
    put(list, id);
  };
  Rights mask = access.group;
  entry(kUserObj, access.owner);
  for (const auto& [id, rights] : access.users) {
    entry(kUser, rights, id);
    mask |= rights;
  }
  entry(kGroupObj, access.group);
  for (const auto& [id, rights] : access.groups) {
    entry(kGroup, rights, id);
    mask |= rights;
  }
  entry(kMask, mask);
  entry(kOther, access.other);
  return list;
}

// --- setting it ---

bool has_no_list(int file) {
  const auto list = read_list(file);
  return list && list->empty();
}

// Without a list, not even the one that a directory's default gave the file when it was made.
bool set_mode(int file, mode_t mode) {
  ::fremovexattr(file, kList);
  struct stat now {};
  return ::fchmod(file, mode) == 0 && has_no_list(file) && ::fstat(file, &now) == 0 && (now.st_mode & 0666) == mode;
}

bool set_list(int file, const std::vector<uint8_t>& list) {
  return ::fsetxattr(file, kList, list.data(), list.size(), 0) == 0;
}

bool set_access(int file, const Access& access) {
  if (!access.users.empty() || !access.groups.empty()) return set_list(file, encode(access));
  return set_mode(file, access.owner << 6 | access.group << 3 | access.other);
}

// --- members of a group ---

bool is_listed(const char* const* names, std::string_view name) {
  while (*names && *names != name) ++names;
  return *names != nullptr;
}

// According to the files of the host.
bool is_member(uid_t user, gid_t group) {
  const Stream users = open_stream("/etc/passwd"), groups = open_stream("/etc/group");
  if (!users || !groups) return false;
  std::vector<char> text(kMostBytes);
  std::string name;
  passwd one{};
  for (passwd* found = nullptr; ::fgetpwent_r(users.get(), &one, text.data(), text.size(), &found) == 0;) {
    if (found->pw_uid != user) continue;
    if (found->pw_gid == group) return true;
    name = found->pw_name;
    break;
  }
  struct group entry {};
  for (struct group* found = nullptr; ::fgetgrent_r(groups.get(), &entry, text.data(), text.size(), &found) == 0;) {
    if (found->gr_gid == group && !name.empty() && is_listed(found->gr_mem, name)) return true;
  }
  return false;
}

bool covers(Rights one, Rights other) { return (one & other) == other; }

// --- the former owner keeps his access ---

std::string as_user(uid_t user) { return "user " + std::to_string(user) + ", who owns it,"; }

std::string copy_as_member(const Access& access, const struct stat& old, int to) {
  const bool same_group = ::fchown(to, static_cast<uid_t>(-1), old.st_gid) == 0;
  struct stat now {};
  if (::fstat(to, &now) != 0) return "a user who has access to it";
  Access wanted = access;
  wanted.owner = kUse;
  wanted.users.erase(now.st_uid);
  if (old.st_uid != 0) {
    const bool keeps_it = covers(access.group, access.owner) &&
                          (covers(access.other, access.owner) || (same_group && is_member(old.st_uid, old.st_gid)));
    if (!keeps_it) wanted.users[old.st_uid] = access.owner;
  }
  if (now.st_gid != old.st_gid) {
    const auto own = access.groups.find(now.st_gid);
    wanted.group = own == access.groups.end() ? access.other : own->second;
    wanted.groups.erase(now.st_gid);
    wanted.groups[old.st_gid] = access.group;
  }
  if (set_access(to, wanted)) return {};
  if (now.st_gid != old.st_gid) return "the members of group " + std::to_string(old.st_gid);
  return wanted.users.count(old.st_uid) != 0 ? as_user(old.st_uid) : "a user who has access to it";
}

}  // namespace

std::string copy_access(int from, const struct stat& old, int to) {
  const auto list = read_list(from);
  const auto access = !list ? std::nullopt : list->empty() ? std::optional(from_mode(old.st_mode)) : parse(*list);
  std::string left_out = "a user in its access control list";
  if (access) {
    (void)::fchown(to, old.st_uid, old.st_gid);  // some file systems refuse even what changes nothing
    struct stat now {};
    const bool is_the_same = ::fstat(to, &now) == 0 && now.st_uid == old.st_uid && now.st_gid == old.st_gid;
    if (!is_the_same) {
      left_out = copy_as_member(*access, old, to);
    } else if (list->empty() ? set_mode(to, old.st_mode & 0666) : set_list(to, *list)) {
      left_out.clear();
    }
  }
  if (!left_out.empty()) set_mode(to, 0600);
  return left_out;
}

}  // namespace vtpm::store
