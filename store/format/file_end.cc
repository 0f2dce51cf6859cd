// SPDX-License-Identifier: Apache-2.0
#include "store/format/file_end.h"

#include <algorithm>
#include <bit>

#include "base/der.h"
#include "store/file/log_reader.h"
#include "store/format/free_space.h"
#include "store/format/log_format.h"

namespace vtpm::store {
namespace {

// Whether a crash has torn the header of a free space that grew: it is partly the old one, partly the new one, partly
// zeroed by the writer that cleaned it. (A file that was cut off inside its free space has an intact header.)
bool torn_growth(const File& file, const FileEnd& end) {
  const uint64_t behind = bytes_behind(end.offset, file.size());
  if (behind < kMaxFreeHeaderBytes + kEndBytes) return false;
  uint8_t found[kMaxFreeHeaderBytes] = {};
  const size_t count = file.read_at(end.offset, found);
  if (read_free(ByteView(found, count))) return false;
  auto padded = [](uint64_t total) {
    Bytes header = free_header(total);
    header.resize(kMaxFreeHeaderBytes);
    return header;
  };
  const Bytes grown = padded(behind - kEndBytes);
  // How long it was is not known; where two of the same form differ stands their length.
  static constexpr std::pair<uint64_t, uint64_t> kForms[] = {
      {0x20, 0x71}, {0xa5, 0xfb}, {0x1234, 0xfedc}, {0x123456, 0xfedcba}, {0x12345678, 0xfedcba98}};
  return std::any_of(std::begin(kForms), std::end(kForms), [&](const auto& form) {
    const Bytes one = padded(form.first), other = padded(form.second);
    size_t i = 0;
    while (i < count && (found[i] == grown[i] || found[i] == 0 || found[i] == one[i] || one[i] != other[i])) ++i;
    return i == count;
  });
}

bool one_bit_from_intact(const File& file, const FileEnd& end) {
  const uint64_t behind = bytes_behind(end.offset, file.size());
  if (behind < kMinFreeBytes + kEndBytes) return false;
  const Bytes right = free_header(behind - kEndBytes);
  Bytes found(right.size());
  if (file.read_at(end.offset, found) != found.size()) return false;
  int flipped = 0;
  for (size_t i = 0; i < right.size(); ++i) flipped += std::popcount(static_cast<unsigned>(right[i] ^ found[i]));
  return flipped == 1;
}

// A file is truncated if the element at the log's end reaches beyond the end of the file, or if less is left than any
// write leaves. An unfinished copy causes that; a crash does not, since space is made before it is used. One flipped
// bit in the length of the free space looks the same and is no truncation.
uint64_t missing_at_the_end(const File& file, const FileEnd& end) {
  const uint64_t none = end.cut_off ? kEndBytes : 0, size = file.size();
  uint64_t at = end.offset;
  LogReader reader(file);
  while (at + kEndBytes < size) {
    const ByteView head = reader.view(at, kDerHeaderMax);
    const auto header = read_der_header(head);
    if (!header && head.size() < kDerHeaderMax && head[0] == static_cast<uint8_t>(DerTag::kSequence)) {
      return at + kMinFreeBytes + kEndBytes - size;
    }
    if (!header || header->tag != static_cast<uint8_t>(DerTag::kSequence))
      return none;  // torn, and cleaned by a writer
    at += header->total();
  }
  const ByteView last = reader.view(at, kEndBytes);
  if (last.size() == kEndBytes) return last[0] == static_cast<uint8_t>(DerTag::kSequence) ? kEndBytes : none;
  if (!end.cut_off && (one_bit_from_intact(file, end) || torn_growth(file, end))) return 0;
  return at + kEndBytes - size;
}

}  // namespace

uint64_t missing_bytes(const File& file, const FileEnd& end) {
  if (end.intact && !end.cut_off) return 0;
  return look_at(file, [&] { return missing_at_the_end(file, end); });
}

std::optional<std::string> unfit(const std::string& path, const File& file, const FileEnd& end) {
  if (const uint64_t missing = missing_bytes(file, end); missing != 0) {
    return path + " is truncated: at least " + std::to_string(missing) +
           " bytes of its end are missing, and entries may be lost with them; nothing was changed. Restore a " +
           "complete copy, or keep what is left with vtpm-token store repair --accept-older";
  }
  if (end.unread != 0) {
    return path + " has " + std::to_string(end.unread) +
           " bytes behind its end, more than a crash leaves there; nothing was changed. vtpm-token store repair " +
           "removes them";
  }
  return std::nullopt;
}

}  // namespace vtpm::store
