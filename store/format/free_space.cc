// SPDX-License-Identifier: Apache-2.0
#include "store/format/free_space.h"

#include <algorithm>

#include "base/der.h"
#include "base/error.h"
#include "store/file/log_reader.h"
#include "store/format/log_format.h"

namespace vtpm::store {
namespace {

constexpr uint64_t kTypeAndSets = 2 + 4 + 2 + 2;  // IA5String "free", two empty SETs

uint64_t total_for(uint64_t data) {
  uint64_t nvram = kTypeAndSets + der_header_size(data) + data;
  uint64_t contents = der_header_size(nvram) + nvram;
  return der_header_size(contents) + contents;
}

// The data bytes of a single free entry of that size, or nothing when DER has none.
std::optional<uint64_t> data_for(uint64_t total) {
  for (uint64_t overhead = kMinFreeBytes - 1; overhead <= kMinFreeBytes - 1 + 12 && overhead < total; ++overhead) {
    if (total_for(total - overhead) == total) return total - overhead;
  }
  return std::nullopt;
}

void write_one(Bytes& out, uint64_t data) {
  uint64_t nvram = kTypeAndSets + der_header_size(data) + data;
  write_der_header(out, DerTag::kSequence, der_header_size(nvram) + nvram);
  write_der_header(out, DerTag::kSequence, nvram);
  write_der(out, DerTag::kIa5String, as_bytes(type::kFree));
  write_der_header(out, DerTag::kSet, 0);
  write_der_header(out, DerTag::kSet, 0);
  write_der_header(out, DerTag::kOctetString, data);
}

}  // namespace

Bytes free_header(uint64_t total) {
  Bytes out;
  auto data = data_for(total);
  if (!data && total >= 2 * kMinFreeBytes) {
    write_one(out, 1);
    out.push_back(0);
    data = data_for(total - kMinFreeBytes);
  }
  if (!data) throw Error(ErrorCode::kInternal, "no free entry has " + std::to_string(total) + " bytes");
  write_one(out, *data);
  return out;
}

std::optional<uint64_t> read_free(ByteView bytes) {
  auto outer = read_der_header(bytes);
  if (!outer || outer->tag != static_cast<uint8_t>(DerTag::kSequence)) return std::nullopt;
  // Most entries are not free: look at the type before any arithmetic.
  auto nvram = read_der_header(bytes.subspan(outer->bytes));
  if (!nvram || bytes.size() < outer->bytes + nvram->bytes + 6) return std::nullopt;
  if (as_text(bytes.subspan(outer->bytes + nvram->bytes + 2, 4)) != type::kFree) return std::nullopt;
  auto data = data_for(outer->total());
  if (!data) return std::nullopt;
  Bytes expected;
  write_one(expected, *data);
  if (bytes.size() < expected.size() || !equal(bytes.first(expected.size()), expected)) return std::nullopt;
  return outer->total();
}

void write_zeros(File& file, uint64_t from, uint64_t to) {
  const Bytes zeros(std::min<uint64_t>(to - std::min(from, to), 1 << 18));
  while (from < to) {
    uint64_t count = std::min<uint64_t>(to - from, zeros.size());
    file.write_at(from, ByteView(zeros).first(count));
    from += count;
  }
}

// The zeros must be on the disk, as must the file's new size, before anything relies on them: a commit then changes
// neither size nor blocks, and its fdatasync has no metadata to write. A file that is shorter than its free space says
// would pass for a truncated one.
void grow(File& file, uint64_t size, uint64_t grown) {
  try {
    write_zeros(file, size, grown);
    file.sync_all();
  } catch (const Error&) {
    file.truncate(size);
    throw;
  }
}

bool is_free_space(const File& file, uint64_t from, uint64_t to) {
  if (from == to) return true;
  if (to < from || to - from < kMinFreeBytes) return false;
  LogReader reader(file);
  const Bytes header = free_header(to - from);
  const ByteView begin = reader.view(from, header.size());
  if (begin.size() != header.size() || !equal(begin, header)) return false;
  for (uint64_t at = from + header.size(); at < to;) {
    const ByteView zeros = reader.view(at, std::min<uint64_t>(to - at, 1 << 16));
    if (zeros.empty() || std::any_of(zeros.begin(), zeros.end(), [](uint8_t byte) { return byte != 0; })) return false;
    at += zeros.size();
  }
  return true;
}

}  // namespace vtpm::store
