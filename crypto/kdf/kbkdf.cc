// SPDX-License-Identifier: Apache-2.0
#include "crypto/kdf/kbkdf.h"

#include <algorithm>

#include "base/error.h"

namespace vtpm::crypto {
namespace {

using Kind = KbkdfSegment::Kind;

[[noreturn]] void refuse(const char* sentence) { throw Error(ErrorCode::kInvalidArgument, sentence); }

bool is_number(KbkdfMode mode, Kind kind) {
  return kind == Kind::kCounter || kind == Kind::kLength || (kind == Kind::kIteration && mode == KbkdfMode::kCounter);
}

void check(KbkdfMode mode, std::span<const KbkdfSegment> segments) {
  auto count = [&](Kind kind) { return std::ranges::count(segments, kind, &KbkdfSegment::kind); };
  if (count(Kind::kIteration) != 1) refuse("SP 800-108: exactly one segment must be the iteration variable");
  if (count(Kind::kCounter) > 1 || count(Kind::kLength) > 1)
    refuse("SP 800-108: at most one counter and one length are allowed");
  if (mode == KbkdfMode::kCounter && count(Kind::kCounter) != 0) {
    refuse("SP 800-108: in counter mode the iteration variable is the counter");
  }
  for (const KbkdfSegment& segment : segments) {
    if (!is_number(mode, segment.kind)) continue;
    const unsigned most = segment.kind == Kind::kLength ? 64 : 32;
    if (segment.bits < 8 || segment.bits > most || segment.bits % 8 != 0) {
      refuse("SP 800-108: a number must have whole bytes, a counter at most four, a length at most eight");
    }
  }
}

Bytes encoded(uint64_t number, const KbkdfSegment& form) {
  if (form.bits < 64 && number >> form.bits != 0) refuse("SP 800-108: a number does not fit its width");
  Bytes bytes(form.bits / 8);
  for (uint8_t& byte : bytes) {
    byte = static_cast<uint8_t>(number);
    number >>= 8;
  }
  if (!form.little_endian) std::ranges::reverse(bytes);
  return bytes;
}

// The outputs of the function, one after the other.
class Outputs {
 public:
  Outputs(KbkdfMode mode, const Mac& function, std::span<const KbkdfSegment> segments, ByteView iv, uint64_t sum,
          uint64_t whole_sum)
      : mode_(mode), function_(function), segments_(segments), sum_(sum), whole_sum_(whole_sum), iteration_(iv) {
    if (mode == KbkdfMode::kDoublePipeline) start_pipeline();
  }

  SecretBytes next() {
    ++counter_;
    if (mode_ == KbkdfMode::kDoublePipeline) iteration_ = of(Mac(function_).update(iteration_));
    Mac mac = function_;
    for (const KbkdfSegment& segment : segments_) add(mac, segment);
    SecretBytes output = of(mac);
    if (mode_ == KbkdfMode::kFeedback) iteration_ = output.clone();
    return output;
  }

 private:
  static SecretBytes of(Mac& mac) {
    SecretBytes output(mac.size());
    mac.finish(output.span());
    return output;
  }

  // SP 800-108, 5.3: A(0) is what does not change between the calls.
  void start_pipeline() {
    for (const KbkdfSegment& segment : segments_) {
      if (segment.kind == Kind::kBytes) iteration_.append(segment.bytes);
      if (segment.kind == Kind::kLength) iteration_.append(length(segment));
    }
  }

  Bytes length(const KbkdfSegment& segment) const {
    return encoded(segment.whole_outputs ? whole_sum_ : sum_, segment);
  }

  void add(Mac& mac, const KbkdfSegment& segment) const {
    switch (segment.kind) {
      case Kind::kIteration:
        if (mode_ != KbkdfMode::kCounter) {
          mac.update(iteration_);
          break;
        }
        [[fallthrough]];
      case Kind::kCounter:
        mac.update(encoded(counter_, segment));
        break;
      case Kind::kLength:
        mac.update(length(segment));
        break;
      case Kind::kBytes:
        mac.update(segment.bytes);
        break;
    }
  }

  KbkdfMode mode_;
  const Mac& function_;
  std::span<const KbkdfSegment> segments_;
  uint64_t sum_, whole_sum_;  // bits
  SecretBytes iteration_;
  uint64_t counter_ = 0;
};

}  // namespace

std::vector<SecretBytes> kbkdf(KbkdfMode mode, const Mac& function, std::span<const KbkdfSegment> segments, ByteView iv,
                               std::span<const size_t> sizes) {
  constexpr size_t kMost = size_t{1} << 30;
  check(mode, segments);
  if (mode != KbkdfMode::kFeedback && !iv.empty()) refuse("SP 800-108: only feedback mode has an initial value");
  const size_t output = function.size();
  uint64_t sum = 0, whole_sum = 0;
  for (size_t size : sizes) {
    if (size == 0 || size > kMost) refuse("SP 800-108: length of a derived key out of range (1 to 2^30 bytes)");
    sum += 8 * static_cast<uint64_t>(size);
    whole_sum += 8 * static_cast<uint64_t>((size + output - 1) / output * output);
  }

  Outputs outputs(mode, function, segments, iv, sum, whole_sum);
  std::vector<SecretBytes> keys;
  for (size_t size : sizes) {
    SecretBytes key(size);
    for (size_t done = 0; done < size; done += output) {
      SecretBytes more = outputs.next();
      std::copy_n(more.begin(), std::min(output, size - done), key.begin() + static_cast<ptrdiff_t>(done));
    }
    keys.push_back(std::move(key));
  }
  return keys;
}

}  // namespace vtpm::crypto
