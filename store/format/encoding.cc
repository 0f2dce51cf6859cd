// SPDX-License-Identifier: Apache-2.0
#include "store/format/encoding.h"

#include <algorithm>

#include "base/error.h"
#include "store/format/blind_index.h"
#include "store/format/free_space.h"

namespace vtpm::store {
namespace {

// Writes one transaction: all drafts, then the second copies, with free entries that separate these from the first
// ones.
class TransactionWriter {
 public:
  TransactionWriter(const Salt& salt, uint64_t first, uint64_t durable, size_t count)
      : salt_(salt), first_(first), durable_(durable), count_(count) {}

  // `first_copy_end`: where the first copy ends; 0 for the only or first one.
  uint64_t write(const Draft& draft, uint64_t first_copy_end) {
    if (first_copy_end != 0) keep_distance(first_copy_end);
    Entry entry = draft.entry;
    Sequence sequence{first_ + index_, static_cast<uint16_t>(index_), static_cast<uint16_t>(count_), durable_};
    ++index_;
    entry.mandatory.push_back(sequence_attribute(sequence));
    entry.optional.push_back(bytes_attribute(attribute::kCrc, Bytes(kCrcBytes)));
    Bytes bytes = encode(entry);
    auto layout = parse_entry(bytes);
    if (!layout) throw Error(ErrorCode::kInternal, "an entry was not encoded as it is read: " + entry.name);
    if (draft.finish) draft.finish(bytes, *layout);
    store_crc(salt_, bytes, layout->crc_at);

    LogEntry written{facts_of(*layout)};
    written.refused = false;  // by its own writer
    written.offset = out.bytes.size();
    written.length = static_cast<uint32_t>(bytes.size());
    written.data_at = static_cast<uint32_t>(layout->data_at);
    written.crc = crc_of(*layout);
    out.entries.push_back(std::move(written));
    vtpm::append(out.bytes, bytes);
    return out.bytes.size();
  }

  Encoded out;

 private:
  void keep_distance(uint64_t first_copy_end) {
    uint64_t apart = out.bytes.size() - first_copy_end;
    if (apart >= kCopyDistance) return;
    uint64_t gap = std::max(kCopyDistance - apart, kMinFreeBytes);
    Bytes header = free_header(gap);
    header.resize(gap);
    vtpm::append(out.bytes, header);
  }

  const Salt& salt_;
  uint64_t first_, durable_;
  size_t count_;
  size_t index_ = 0;
};

}  // namespace

void refuse_count(size_t entries) {
  throw Error(ErrorCode::kNoSpace, "number of entries in one change out of range: " + std::to_string(entries) +
                                       " (at most " + std::to_string(kMaxTransactionEntries) + ")");
}

Encoded encode_transaction(const Salt& salt, const std::vector<Draft>& drafts, uint64_t first, uint64_t durable) {
  size_t count = drafts.size();
  for (const Draft& draft : drafts) count += draft.twice;
  if (count == 0) throw Error(ErrorCode::kInvalidArgument, "a transaction must have at least one entry");
  if (count > kMaxTransactionEntries) refuse_count(count);
  TransactionWriter writer(salt, first, durable, count);
  std::vector<uint64_t> ends;
  for (const Draft& draft : drafts) ends.push_back(writer.write(draft, 0));
  for (size_t i = 0; i < drafts.size(); ++i) {
    if (drafts[i].twice) writer.write(drafts[i], ends[i]);
  }
  return std::move(writer.out);
}

Bytes make_store_image(const Uuid& uuid, const Salt& salt, std::vector<Draft> first, uint64_t created,
                       uint64_t free_bytes, Cipher cipher) {
  Draft header;
  header.entry.type = type::kHeader;
  header.entry.mandatory = {integer_attribute(attribute::kFormat, kFormatNumber),
                            bytes_attribute(attribute::kSalt, salt), realsize_attribute(uuid.size())};
  if (cipher != Cipher::kAes256Siv) {
    header.entry.mandatory.push_back(text_attribute(attribute::kCipher, cipher_name(cipher)));
  }
  header.entry.data.assign(uuid.begin(), uuid.end());
  header.twice = true;
  uint64_t count = 2;
  for (const Draft& draft : first) count += draft.twice ? 2 : 1;
  // The image is synced before another process sees it, so all of it is durable.
  header.entry.optional = {integer_attribute(attribute::kBase, count), integer_attribute(attribute::kCreated, created)};
  first.insert(first.begin(), std::move(header));

  Bytes image(kStoreBegin.begin(), kStoreBegin.end());
  append(image, encode_transaction(salt, first, 1, 0).bytes);
  uint64_t size = round_up(image.size() + free_bytes, kGrowthUnit);
  append(image, free_header(size - kEndBytes - image.size()));
  image.resize(size);
  return image;
}

uint64_t round_up(uint64_t value, uint64_t unit) { return (value + unit - 1) / unit * unit; }

}  // namespace vtpm::store
