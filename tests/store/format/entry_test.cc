// SPDX-License-Identifier: Apache-2.0
#include "store/format/entry.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/der.h"
#include "base/error.h"

namespace vtpm::store {
namespace {

Entry sample() {
  Entry entry{"p11-object", "obj/1", {}, {}, to_bytes(as_bytes("data"))};
  entry.mandatory = {realsize_attribute(4), sequence_attribute({7, 1, 3, 5})};
  entry.optional = {bytes_attribute(attribute::kCrc, Bytes(4)), text_attribute("colour", "blue")};
  return entry;
}

TEST(Entry, R0_5_IsReadAsItWasWritten) {
  Bytes bytes = encode(sample());
  auto view = parse_entry(bytes);
  ASSERT_TRUE(view);
  EXPECT_EQ(view->type, "p11-object");
  EXPECT_EQ(view->name, "obj/1");
  EXPECT_EQ(as_text(view->data()), "data");
  EXPECT_EQ(view->size, 4u);
  EXPECT_EQ(view->sequence.number, 7u);
  EXPECT_EQ(view->sequence.first(), 6u);
  EXPECT_EQ(view->sequence.last(), 8u);
  EXPECT_EQ(view->sequence.durable, 5u);
  EXPECT_TRUE(view->unknown.empty());
  EXPECT_FALSE(view->sealed || view->deleted);
  EXPECT_EQ(encode(to_entry(*view)), bytes) << "unknown optional attributes survive";
}

// The bytes of the format, written down by hand from docs/format.md.
TEST(Entry, R0_2_And_R0_4_And_R0_7_HasTheBytesOfTheFormat) {
  Entry entry{"t",
              "n",
              {sequence_attribute({1, 0, 1, 0}), realsize_attribute(1)},
              {bytes_attribute(attribute::kCrc, Bytes(4))},
              {0x78}};
  EXPECT_EQ(to_hex(encode(entry)),
            "3052"
            "304d"
            "160174"
            "3133"
            "3014"  // sorted: the shorter first
            "1608"
            "7265616c73697a65"
            "0408"
            "0000000000000001"
            "301b"
            "1603"
            "736571"
            "0414"
            "0000000000000001"
            "0000"
            "0001"
            "0000000000000000"
            "3110"
            "300e"
            "1606"
            "637263333263"
            "0404"
            "00000000"
            "0401"
            "78"
            "0c01"
            "6e");
}

TEST(Entry, R0_14_AFlippedByteChangesTheCrc) {
  Bytes bytes = encode(sample());
  Salt salt{1, 2, 3};
  store_crc(salt, bytes, parse_entry(bytes)->crc_at);
  EXPECT_TRUE(crc_matches(salt, *parse_entry(bytes)));
  EXPECT_FALSE(crc_matches(Salt{1, 2, 4}, *parse_entry(bytes)));
  for (size_t at = 0; at < bytes.size(); ++at) {
    Bytes flipped = bytes;
    flipped[at] ^= 0x10;
    auto view = parse_entry(flipped);
    EXPECT_FALSE(view && crc_matches(salt, *view)) << at;
  }
}

TEST(Entry, R0_6_RejectsWhatIsNotAnEntry) {
  const Entry good = sample();
  auto without = [&](std::string_view name) {
    Entry entry = good;
    std::erase_if(entry.mandatory, [&](const Attribute& a) { return a.name == name; });
    std::erase_if(entry.optional, [&](const Attribute& a) { return a.name == name; });
    return encode(entry);
  };
  auto with = [&](Attribute attribute) {
    Entry entry = good;
    entry.mandatory.push_back(std::move(attribute));
    return encode(entry);
  };
  EXPECT_FALSE(parse_entry(without(attribute::kSequence)));
  EXPECT_FALSE(parse_entry(without(attribute::kRealSize)));
  EXPECT_FALSE(parse_entry(without(attribute::kCrc)));
  EXPECT_FALSE(parse_entry(with(realsize_attribute(3)))) << "twice";
  EXPECT_FALSE(parse_entry(with(integer_attribute(attribute::kDeleted, 1)))) << "del has no value";
  for (Sequence bad :
       {Sequence{0, 0, 1, 0}, Sequence{5, 2, 2, 0}, Sequence{5, 0, 0, 0}, Sequence{2, 2, 3, 0}, Sequence{5, 0, 1, 5}}) {
    Entry entry = good;
    entry.mandatory[1] = sequence_attribute(bad);
    EXPECT_FALSE(parse_entry(encode(entry)));
  }
  Entry longer = good;
  longer.mandatory[0] = realsize_attribute(5);
  EXPECT_FALSE(parse_entry(encode(longer))) << "realsize beyond the data";

  Bytes bytes = encode(good);
  for (size_t size = 0; size < bytes.size(); ++size) EXPECT_FALSE(parse_entry(ByteView(bytes).first(size)));
  bytes.push_back(0);
  EXPECT_FALSE(parse_entry(bytes)) << "something behind it";
  // Attributes out of order: swap the two of the mandatory set by hand.
  Bytes unsorted = encode(good);
  auto view = parse_entry(unsorted);
  auto set = static_cast<size_t>(view->mandatory.data() - unsorted.data());
  DerReader reader(view->mandatory);
  size_t first = reader.next()->bytes.size();
  std::rotate(unsorted.begin() + static_cast<ptrdiff_t>(set), unsorted.begin() + static_cast<ptrdiff_t>(set + first),
              unsorted.begin() + static_cast<ptrdiff_t>(set + view->mandatory.size()));
  EXPECT_FALSE(parse_entry(unsorted));
}

// It would have two encodings, and a header that is written anew would change.
TEST(Entry, AnAttributeWithoutValueIsNotASequence) {
  Bytes name, wrapped;
  write_der(name, DerTag::kIa5String, as_bytes("colour"));
  write_der(wrapped, DerTag::kSequence, name);
  EXPECT_TRUE(parse_attributes(name));
  EXPECT_FALSE(parse_attributes(wrapped));
}

TEST(Entry, AnUnknownMandatoryAttributeIsNamed) {
  Entry entry = sample();
  entry.mandatory.push_back({"quantum", {}});
  Bytes bytes = encode(entry);
  EXPECT_EQ(parse_entry(bytes)->unknown, "quantum");
}

TEST(Entry, NamesAreUtf8WithoutControls) {
  for (std::string_view good : {"a", "obj/0123", "gr\xC3\xBC\xC3\x9F", "\xE2\x82\xAC", "\xF0\x9F\x94\x91"}) {
    EXPECT_TRUE(valid_name(good)) << good;
  }
  const std::vector<std::string> bad = {"",
                                        std::string(256, 'a'),
                                        "a\nb",
                                        "a\x7F",
                                        "\xC3",
                                        "\xC0\x80",
                                        "\xED\xA0\x80",
                                        "\xE0\x80\x80",
                                        "\xF4\x90\x80\x80",
                                        "\xC2\x85",
                                        std::string(1, '\0')};
  for (const std::string& name : bad) EXPECT_FALSE(valid_name(name)) << to_hex(as_bytes(name));
  EXPECT_TRUE(valid_name(std::string(255, 'a')));
  EXPECT_FALSE(valid_type("t\xC3\xBC"));
  EXPECT_FALSE(valid_type(std::string(65, 't')));
}

TEST(Entry, IsRejectedIfItIsTooLong) {
  Entry entry = sample();
  entry.data.resize(kMaxEntryBytes);
  EXPECT_THROW(encode(entry), Error);
}

// A malformed optional attribute is treated as an unknown one: it is ignored and preserved.
TEST(Entry, NoRollbackWithAValueIsIgnoredAndPreserved) {
  Entry entry = sample();
  entry.optional = {bytes_attribute(attribute::kCrc, Bytes(4)), no_rollback_attribute()};
  Bytes bytes = encode(entry);
  EXPECT_TRUE(parse_entry(bytes)->no_rollback);
  EXPECT_FALSE(parse_entry(bytes)->has_extras);
  entry.optional[1] = integer_attribute(attribute::kNoRollback, 0);
  bytes = encode(entry);
  ASSERT_TRUE(parse_entry(bytes));
  EXPECT_FALSE(parse_entry(bytes)->no_rollback);
  EXPECT_TRUE(parse_entry(bytes)->has_extras);
}

}  // namespace
}  // namespace vtpm::store
