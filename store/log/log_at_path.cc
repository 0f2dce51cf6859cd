// SPDX-License-Identifier: Apache-2.0
#include "store/log/log_at_path.h"

#include "store/log/file_log.h"

namespace vtpm::store {
namespace {

FileSystem& file_system_of(FileSystem* chosen) { return chosen ? *chosen : posix_file_system(); }

}  // namespace

bool log_exists(const std::string& path, FileSystem* file_system) {
  return file_system_of(file_system).id_of(path).has_value();
}

std::unique_ptr<EntryLog> open_log(const std::string& path, const LogOptions& options) {
  return FileLog::open(file_system_of(options.file_system), path, options.read_only,
                       options.any_ending ? FileLog::Ending::kAny : FileLog::Ending::kWhole);
}

std::unique_ptr<EntryLog> make_log(const std::string& path, NewLog fresh) {
  FileSystem& file_system = file_system_of(fresh.file_system);
  return FileLog::make(file_system, path, std::move(fresh));
}

}  // namespace vtpm::store
