// SPDX-License-Identifier: Apache-2.0
#include "store/format/quarantine.h"

#include <ctime>

#include "base/der.h"
#include "base/error.h"

namespace vtpm::store {

std::string quarantine_path(const std::string& store_path) { return store_path + ".quarantine"; }

void quarantine(FileSystem& file_system, const std::string& store_path, const File& store, uint64_t offset,
                std::string_view reason, ByteView bytes) {
  std::time_t now = std::time(nullptr);
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  char time[32];
  size_t length = std::strftime(time, sizeof time, "%Y%m%d%H%M%SZ", &utc);

  Bytes contents, record;
  write_der(contents, DerTag::kGeneralizedTime, as_bytes({time, length}));
  write_der_unsigned(contents, offset);
  write_der(contents, DerTag::kUtf8String, as_bytes(reason));
  write_der(contents, DerTag::kOctetString, bytes);
  write_der(record, DerTag::kSequence, contents);

  std::string path = quarantine_path(store_path);
  std::unique_ptr<File> file;
  try {
    file = file_system.create(path);
    file->copy_access_from(store);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kExists) throw;
    file = file_system.open(path, true);
  }
  file->write_at(file->size(), record);
  file->sync_all();
  file_system.sync_directory_of(path);
}

}  // namespace vtpm::store
