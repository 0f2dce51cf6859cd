// SPDX-License-Identifier: Apache-2.0
#include "tests/store/disk/scratch.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

extern char** environ;

namespace vtpm::store {
namespace {

// The exit status; what the tool says goes to `output`.
int run(const std::vector<std::string>& command, const std::string& output) {
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 1, output.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  pid_t child = -1;
  int error = posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  return error != 0 ? 127 : wait_for(child);
}

}  // namespace

bool long_test() {
  const char* wanted = std::getenv("VTPM_TEST_LONG");
  return wanted && *wanted && *wanted != '0';
}

bool sanitized() {
#ifdef VTPM_SANITIZED
  return true;
#else
  return false;
#endif
}

ScratchDirectory::ScratchDirectory() {
  std::string pattern = (std::filesystem::temp_directory_path() / "vtpm-store-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no scratch directory");
  path_ = pattern;
}

ScratchDirectory::~ScratchDirectory() {
  std::error_code ignored;
  std::filesystem::permissions(path_, std::filesystem::perms::owner_all, ignored);
  std::filesystem::remove_all(path_, ignored);
}

CreateOptions cheap_options() {
  CreateOptions options;
  options.kdf = crypto::Argon2Parameters{8192, 1, 1};
  return options;
}

std::unique_ptr<Vault> make_store(const std::string& path, CreateOptions options) {
  return Vault::create(path, options, {{Role::kSo, as_bytes(kSoPin)}, {Role::kUser, as_bytes(kUserPin)}}, nullptr);
}

void put(Vault& vault, std::string_view name, std::string_view value, Protection protection) {
  vault.change([&](Transaction& transaction) { transaction.put(name, "p11-object", protection, as_bytes(value)); });
}

void erase(Vault& vault, std::string_view name) {
  vault.change([&](Transaction& transaction) { transaction.erase(name); });
}

std::string get(const Vault& vault, std::string_view name) {
  auto blob = vault.read(name);
  return blob ? std::string(as_text(blob->data)) : "(none)";
}

Bytes load(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void save(const std::string& path, ByteView bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

bool outside_tools_read(const std::string& path) {
  ScratchDirectory scratch;
  const std::string out = scratch.file("out");
  if (run({"openssl", "asn1parse", "-inform", "DER", "-in", path}, out) != 0) {
    Bytes text = load(out);
    std::fprintf(stderr, "openssl on %s: ...%s\n", path.c_str(),
                 std::string(as_text(text).substr(text.size() > 500 ? text.size() - 500 : 0)).c_str());
    return false;
  }
  // Debian 13 has no dumpasn1.
  if (run({"sh", "-c", "command -v dumpasn1"}, out) != 0) return run({"unber", "-p", path}, out) == 0;
  // -e -o: no guessing at structure inside OCTET STRINGs.
  if (run({"dumpasn1", "-e", "-o", path}, out) == 0) return true;
  bool clean = true;
  std::ifstream lines(out);
  for (std::string line; std::getline(lines, line);) {
    if (line.find("rror:") == std::string::npos) continue;
    // It takes canonical lengths that begin with nine one bits for non-canonical, as INTEGERs would be.
    bool its_own = line.find("Length '82 FF ") != std::string::npos;
    if (!its_own) std::fprintf(stderr, "dumpasn1 on %s: %s\n", path.c_str(), line.c_str());
    clean = clean && its_own;
  }
  return clean;
}

ErrorCode code_thrown_by(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.code();
  }
  ADD_FAILURE() << "nothing was thrown";
  return ErrorCode::kInternal;
}

int start_child(const std::function<void()>& work) {
  pid_t child = ::fork();
  if (child != 0) return child;
  int status = 0;
  try {
    work();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "child: %s\n", error.what());
    status = 1;
  }
  ::_exit(status);
}

int wait_for(int child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return -1;
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int in_child(const std::function<void()>& work) { return wait_for(start_child(work)); }

}  // namespace vtpm::store
