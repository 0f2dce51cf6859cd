// SPDX-License-Identifier: Apache-2.0
#include "tpm/use/swtpm_state.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <map>

#include "base/error.h"
#include "base/numbers.h"
#include "crypto/hash/digest.h"
#include "crypto/kdf/kdf.h"
#include "crypto/library/constant_time.h"
#include "crypto/library/random.h"
#include "crypto/symmetric/aes_cbc.h"

namespace vtpm::tpm {

namespace {

constexpr const char* kPermanent = "tpm2-00.permall";
constexpr const char* kVolatile = "tpm2-00.volatilestate";
constexpr const char* kSave = "tpm2-00.savestate";
constexpr const char* kLockFile = ".lock";
constexpr const char* kNames[] = {kPermanent, kVolatile, kSave};
constexpr size_t kMostBytes = 4 << 20;  // libtpms' largest state has a twentieth of that

constexpr uint8_t kVersion = 2, kLeastVersion = 1;
constexpr uint16_t kHeaderBytes = 10;
constexpr uint16_t kEncrypted = 1 << 0, kMigrationEncrypted = 1 << 1, kMigrationData = 1 << 2, kKey256 = 1 << 3;
enum Tag : uint16_t { kData = 1, kCipherText = 2, kHmac = 3, kIv = 6 };

// libtpms: version and magic of its TPM 2 permanent state.
constexpr uint8_t kMagic[] = {0xab, 0x36, 0x47, 0x23};

uint32_t number(ByteView bytes) { return static_cast<uint32_t>(read_be(bytes)); }

void put_field(Bytes& out, Tag tag, ByteView contents) {
  write_be(out, tag, 2);
  write_be(out, static_cast<uint32_t>(contents.size()), 4);
  append(out, contents);
}

[[noreturn]] void broken() {
  throw Error(ErrorCode::kCorrupt, "the file is not the state of a TPM 2.0 as swtpm writes it");
}

bool is_permanent_state(ByteView state) { return state.size() > 6 && equal(state.subspan(2, 4), kMagic); }

std::map<uint16_t, ByteView> fields_of(ByteView bytes) {
  std::map<uint16_t, ByteView> fields;
  while (!bytes.empty()) {
    if (bytes.size() < 6) broken();
    const size_t size = number(bytes.subspan(2, 4));
    if (size > bytes.size() - 6) broken();
    fields[static_cast<uint16_t>(number(bytes.first(2)))] = bytes.subspan(6, size);
    bytes = bytes.subspan(6 + size);
  }
  return fields;
}

Bytes mac(ByteView key, ByteView cipher_text, ByteView iv) {
  return crypto::Hmac(crypto::Hash::kSha256, key).begin().update(cipher_text).update(iv).finish();
}

SecretBytes decrypt(const std::map<uint16_t, ByteView>& fields, ByteView key) {
  const auto field = [&](Tag tag) {
    const auto found = fields.find(tag);
    if (found == fields.end()) broken();
    return found->second;
  };
  const ByteView cipher_text = field(kCipherText), iv = field(kIv);
  if (iv.size() < crypto::kAesBlock || cipher_text.empty() || cipher_text.size() % crypto::kAesBlock != 0) broken();
  if (!crypto::constant_time_equal(mac(key, cipher_text, iv), field(kHmac)))
    throw Error(ErrorCode::kAuthFailed, "the swtpm state does not open: is this the wrong key or passphrase?");
  SecretBytes plain = crypto::aes_cbc_decrypt(key, iv.first(crypto::kAesBlock), cipher_text);
  const size_t padding = plain[plain.size() - 1];
  if (padding == 0 || padding > key.size() || padding > plain.size()) broken();
  plain.resize(plain.size() - padding);
  return plain;
}

int digit(uint8_t c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

[[noreturn]] void io_error(const std::string& what) {
  const bool is_full = errno == ENOSPC || errno == EDQUOT || errno == EFBIG;
  throw Error(is_full ? ErrorCode::kNoSpace : ErrorCode::kIo, what + ": " + std::strerror(errno));
}

/// The name of a new file until it is complete (swtpm uses the same), and of the file that it replaces until then.
std::string temporary(const char* name) { return std::string("TMP2") + (name + 4); }
std::string aside(const char* name) { return std::string("OLD2") + (name + 4); }

constexpr const char* kAccessList = "system.posix_acl_access";
constexpr size_t kMostListBytes = 65536;  // XATTR_SIZE_MAX

/// Whether a process of this host holds a lock on the file, as far as /proc/locks shows it to this process. Only the
/// inode is compared, because some file systems show another device there.
bool is_locked(const struct stat& file) {
  const Stream locks = open_stream("/proc/locks");
  if (!locks) return false;
  char line[256];
  while (std::fgets(line, sizeof line, locks.get()) != nullptr) {
    unsigned long inode = 0;
    if (std::sscanf(line, "%*s %*s %*s %*s %*s %*x:%*x:%lu", &inode) == 1 && inode == file.st_ino) return true;
  }
  return false;
}

}  // namespace

SecretBytes swtpm_key(ByteView passphrase, SwtpmKdf kdf, size_t bytes) {
  constexpr uint32_t kIterations = 1000;  // swtpm's
  if (kdf == SwtpmKdf::kPbkdf2) return crypto::pbkdf2_sha512(passphrase, as_bytes("swtpm"), kIterations, bytes);
  Bytes hash = crypto::digest(crypto::Hash::kSha512, passphrase);
  SecretBytes key(ByteView(hash).first(bytes));
  wipe(hash.data(), hash.size());
  return key;
}

SecretBytes swtpm_hex_key(ByteView text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' '))
    text = text.first(text.size() - 1);
  const size_t prefix = text.size() >= 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X') ? 2 : 0;
  const ByteView digits = text.subspan(prefix);
  SecretBytes key(digits.size() / 2);
  for (size_t i = 0; i < digits.size(); ++i) {
    const int value = digit(digits[i]);
    if (value < 0) {
      throw Error(ErrorCode::kInvalidArgument,
                  "character " + std::to_string(prefix + i + 1) + " of the key is not a hexadecimal digit");
    }
    if (i / 2 < key.size()) key[i / 2] = static_cast<uint8_t>(key[i / 2] << 4 | value);
  }
  if (digits.size() != 32 && digits.size() != 64) {
    throw Error(ErrorCode::kInvalidArgument,
                "a key has 32 or 64 hexadecimal digits, not " + std::to_string(digits.size()));
  }
  return key;
}

SecretBytes unwrap_swtpm_suspended(ByteView file, ByteView key) {
  if (file.size() < kHeaderBytes || number(file.subspan(2, 2)) != kHeaderBytes ||
      number(file.subspan(6, 4)) != file.size() || file[0] < kLeastVersion)
    broken();
  if (file[1] > kVersion) throw Error(ErrorCode::kUnsupported, "the swtpm state was written by a newer swtpm");
  const auto flags = static_cast<uint16_t>(number(file.subspan(4, 2)));
  if (flags & (kMigrationEncrypted | kMigrationData))
    throw Error(ErrorCode::kUnsupported, "the file contains migration data, not the state of a swtpm directory");
  if (flags & ~(kEncrypted | kKey256)) broken();
  const auto fields = fields_of(file.subspan(kHeaderBytes));
  if (flags & kEncrypted) {
    if (key.empty()) throw Error(ErrorCode::kLocked, "the swtpm state is encrypted: its key or passphrase is needed");
    const size_t bytes = flags & kKey256 ? 32 : 16;
    if (key.size() != bytes) {
      throw Error(ErrorCode::kAuthFailed, "the swtpm state is encrypted with a key of " + std::to_string(bytes * 8) +
                                              " bits, but the given key has " + std::to_string(key.size() * 8));
    }
    return decrypt(fields, key);
  }
  if (!key.empty()) throw Error(ErrorCode::kInvalidArgument, "a key was given, but the swtpm state is clear text");
  const auto found = fields.find(kData);
  if (found == fields.end()) broken();
  return SecretBytes(found->second);
}

SecretBytes unwrap_swtpm(ByteView file, ByteView key) {
  if (is_permanent_state(file)) {
    if (!key.empty()) throw Error(ErrorCode::kInvalidArgument, "a key was given, but the swtpm state is clear text");
    return SecretBytes(file);
  }
  SecretBytes state = unwrap_swtpm_suspended(file, key);
  if (!is_permanent_state(state)) {
    throw Error(ErrorCode::kUnsupported,
                "the file does not contain the state of a TPM 2.0; a TPM 1.2 has other keys and cannot be a token");
  }
  return state;
}

Bytes wrap_swtpm(ByteView state, ByteView key) {
  Bytes body;
  uint16_t flags = 0;
  if (key.empty()) {
    put_field(body, kData, state);
  } else {
    flags = kEncrypted | (key.size() == 32 ? kKey256 : 0);
    SecretBytes padded(state);
    const auto padding = static_cast<uint8_t>(key.size() - state.size() % key.size());
    for (unsigned i = 0; i < padding; ++i) padded.append({&padding, 1});
    const Bytes iv = crypto::random_bytes(key.size());
    const Bytes cipher_text = crypto::aes_cbc_encrypt(key, ByteView(iv).first(crypto::kAesBlock), padded);
    put_field(body, kCipherText, cipher_text);
    put_field(body, kHmac, mac(key, cipher_text, iv));
    put_field(body, kIv, iv);
  }
  Bytes file = {kVersion, kLeastVersion};
  write_be(file, kHeaderBytes, 2);
  write_be(file, flags, 2);
  write_be(file, static_cast<uint32_t>(kHeaderBytes + body.size()), 4);
  append(file, body);
  return file;
}

SwtpmDirectory::SwtpmDirectory(std::string path, Mode mode) : path_(std::move(path)) {
  if (mode == Mode::kWrite) {
    made_ = mkdir(path_.c_str(), 0700) == 0;
    if (!made_ && errno != EEXIST) io_error(path_);
  }
  directory_ = open_descriptor(path_, O_RDONLY | O_DIRECTORY);
  if (!directory_) {
    if (errno == ENOENT || errno == ENOTDIR)
      throw Error(ErrorCode::kNotFound,
                  path_ + " is not a directory: name the directory in which swtpm keeps its state");
    io_error(path_);
  }
  mode == Mode::kWrite ? lock_to_write() : lock_to_read();
  if (!holds(kPermanent) && holds("tpm-00.permall")) {
    throw Error(ErrorCode::kUnsupported,
                path_ + " contains the state of a TPM 1.2 (tpm-00.permall); only a TPM 2.0 can be a token");
  }
}

// swtpm holds a write lock while it runs, and with it the file exists.
void SwtpmDirectory::lock_to_read() {
  lock_ = open_descriptor_at(directory_, kLockFile, O_RDONLY | O_NOFOLLOW);
  if (lock_) return set_lock(F_RDLCK);
  if (errno == ENOENT) return;
  const int reason = errno;
  struct stat file {};
  const bool may_be_asked =
      (reason == EACCES || reason == EPERM) && fstatat(directory_.get(), kLockFile, &file, AT_SYMLINK_NOFOLLOW) == 0;
  errno = reason;
  if (!may_be_asked) io_error(path_ + "/" + kLockFile);
  // The directory is another user's backup, whose lock file this process may not open.
  if (is_locked(file)) throw Error(ErrorCode::kLocked, "swtpm runs on " + path_ + ": shut its machine down first");
}

void SwtpmDirectory::lock_to_write() {
  lock_ = open_descriptor_at(directory_, kLockFile, O_RDWR | O_CREAT | O_NOFOLLOW, 0640);
  if (!lock_) io_error(path_ + "/" + kLockFile);
  struct stat directory {
  }, file{};
  if (fstat(directory_.get(), &directory) != 0 || fstat(lock_.get(), &file) != 0) io_error(path_);
  // A lock file that belongs to root would lock out the user that swtpm runs as.
  if (geteuid() == 0 && file.st_uid == 0 && directory.st_uid != 0 &&
      fchown(lock_.get(), directory.st_uid, directory.st_gid) != 0)
    io_error("cannot give " + path_ + "/" + kLockFile + " to the owner of its directory");
  set_lock(F_WRLCK);
}

void SwtpmDirectory::set_lock(short type) {
  struct flock whole = {};
  whole.l_type = type;
  whole.l_whence = SEEK_SET;
  if (fcntl(lock_.get(), F_SETLK, &whole) == 0) return;
  if (errno == EACCES || errno == EAGAIN)
    throw Error(ErrorCode::kLocked, "swtpm runs on " + path_ + ": shut its machine down first");
  // On a medium without locks no swtpm can hold one.
  if (type == F_RDLCK && (errno == ENOLCK || errno == ENOSYS || errno == EOPNOTSUPP || errno == EINVAL)) return;
  io_error(path_ + "/" + kLockFile);
}

bool SwtpmDirectory::holds(const char* name) const { return faccessat(directory_.get(), name, F_OK, 0) == 0; }

std::optional<Bytes> SwtpmDirectory::read(const char* name) const {
  const Descriptor file = open_descriptor_at(directory_, name, O_RDONLY | O_NOFOLLOW);
  if (!file) {
    if (errno == ENOENT) return std::nullopt;
    io_error(path_ + "/" + name);
  }
  const auto contents = read_up_to(file.get(), kMostBytes);
  if (!contents) io_error(path_ + "/" + name);
  if (contents->size() > kMostBytes) throw Error(ErrorCode::kCorrupt, path_ + "/" + name + " is too large");
  return to_bytes(*contents);
}

Bytes SwtpmDirectory::permanent() const {
  auto contents = read(kPermanent);
  if (!contents) throw Error(ErrorCode::kNotFound, path_ + " contains no TPM 2.0 state (" + kPermanent + ")");
  return std::move(*contents);
}

bool SwtpmDirectory::suspended() const { return holds(kVolatile) || holds(kSave); }

SuspendedState SwtpmDirectory::suspended_state(ByteView key) const {
  const auto opened = [&](const char* name) -> std::optional<SecretBytes> {
    const auto file = read(name);
    if (!file) return std::nullopt;
    return unwrap_swtpm_suspended(*file, key);
  };
  return {opened(kVolatile), opened(kSave)};
}

SwtpmDirectory::Access SwtpmDirectory::access_of_new_files() const {
  struct stat directory {
  }, file{};
  if (fstat(directory_.get(), &directory) != 0) io_error(path_);
  const Descriptor old = open_descriptor_at(directory_, kPermanent, O_RDONLY | O_NOFOLLOW);
  if (!old) {
    if (errno != ENOENT) io_error(path_ + "/" + kPermanent);
    if (geteuid() == 0) return {directory.st_uid, directory.st_gid, 0600, {}};
    return {geteuid(), static_cast<gid_t>(-1), 0600, {}};
  }
  if (fstat(old.get(), &file) != 0) io_error(path_ + "/" + kPermanent);
  std::vector<uint8_t> list(kMostListBytes);
  const ssize_t bytes = fgetxattr(old.get(), kAccessList, list.data(), list.size());
  if (bytes < 0 && errno != ENODATA && errno != EOPNOTSUPP) io_error(path_ + "/" + kPermanent);
  list.resize(bytes < 0 ? 0 : static_cast<size_t>(bytes));
  return {file.st_uid, file.st_gid, file.st_mode & 0777, std::move(list)};
}

void SwtpmDirectory::prepare(const char* name, ByteView contents, const Access& access) const {
  const std::string target = temporary(name), where = path_ + "/" + target;
  const Descriptor file =
      open_descriptor_at(directory_, target.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
  if (!file) io_error(where);
  if (!write_all(file.get(), contents)) io_error(where);
  struct stat now {};
  if (fstat(file.get(), &now) != 0) io_error(where);
  const bool same_group = access.group == static_cast<gid_t>(-1) || now.st_gid == access.group;
  if ((now.st_uid != access.owner || !same_group) && fchown(file.get(), access.owner, access.group) != 0) {
    io_error("cannot give the new " + path_ + "/" + name + " to user " + std::to_string(access.owner) + " and group " +
             std::to_string(access.group) + ", who own the state now (run as root, or as that user)");
  }
  if (fchmod(file.get(), access.mode) != 0) io_error(where);
  if (!access.list.empty() && fsetxattr(file.get(), kAccessList, access.list.data(), access.list.size(), 0) != 0)
    io_error("cannot keep the access control list of " + path_ + "/" + kPermanent);
  if (fsync(file.get()) != 0) io_error(where);
}

void SwtpmDirectory::rename_or_throw(const std::string& from, const std::string& to) const {
  if (renameat(directory_.get(), from.c_str(), directory_.get(), to.c_str()) != 0) io_error(path_ + "/" + to);
}

void SwtpmDirectory::sync() const {
  if (fsync(directory_.get()) != 0) io_error(path_);
}

void SwtpmDirectory::write(ByteView state, const SuspendedState& suspended, ByteView key, bool overwrite,
                           const std::function<void()>& before_replacing) {
  if (!overwrite && holds(kPermanent)) throw Error(ErrorCode::kExists, path_ + " contains a TPM 2.0 state already");
  const auto remove = [&](const std::string& name) { unlinkat(directory_.get(), name.c_str(), 0); };
  // A process that was killed before it had replaced the permanent state has put the rest of that machine aside.
  if (holds(temporary(kPermanent).c_str())) {
    for (const char* name : {kVolatile, kSave}) {
      if (holds(aside(name).c_str()) && !holds(name)) rename_or_throw(aside(name), name);
    }
    sync();
  }
  for (const char* name : kNames) {
    remove(temporary(name));
    remove(aside(name));
  }
  bool is_replaced = false;
  try {
    const Access access = access_of_new_files();
    prepare(kPermanent, wrap_swtpm(state, key), access);
    if (suspended.volatile_state) prepare(kVolatile, wrap_swtpm(*suspended.volatile_state, key), access);
    if (suspended.save_state) prepare(kSave, wrap_swtpm(*suspended.save_state, key), access);
    for (const char* name : {kVolatile, kSave}) {
      if (holds(name)) rename_or_throw(name, aside(name));
    }
    sync();
    if (before_replacing) before_replacing();
    rename_or_throw(temporary(kPermanent), kPermanent);
    is_replaced = true;
    sync();
    if (suspended.volatile_state) rename_or_throw(temporary(kVolatile), kVolatile);
    if (suspended.save_state) rename_or_throw(temporary(kSave), kSave);
    sync();
  } catch (...) {
    for (const char* name : kNames) {
      remove(temporary(name));
      if (!is_replaced) (void)renameat(directory_.get(), aside(name).c_str(), directory_.get(), name);
      remove(aside(name));
    }
    if (made_ && !is_replaced) {
      remove(kLockFile);
      (void)rmdir(path_.c_str());
    }
    throw;
  }
  for (const char* name : {kVolatile, kSave}) remove(aside(name));
}

}  // namespace vtpm::tpm
