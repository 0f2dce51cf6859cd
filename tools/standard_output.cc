// SPDX-License-Identifier: Apache-2.0
#include "tools/standard_output.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <iostream>

#include "base/descriptor.h"
#include "base/error.h"

namespace vtpm::tools {
namespace {

constexpr char kHexDigits[] = "0123456789abcdef";

// --- text that may be shown ---

/// The code point at the beginning of `text` and its length in bytes; a length of 0 means that this is not UTF-8 (RFC
/// 3629).
struct CodePoint {
  uint32_t value = 0;
  size_t length = 0;
};
CodePoint first_of(std::string_view text) {
  const auto lead = static_cast<uint8_t>(text.front());
  if (lead < 0x80) return {lead, 1};
  const size_t length = lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
  if (length == 0 || text.size() < length) return {};
  uint32_t value = lead & (0xFFu >> (length + 1));
  for (size_t i = 1; i < length; ++i) {
    const auto next = static_cast<uint8_t>(text[i]);
    if ((next & 0xC0) != 0x80) return {};
    value = value << 6 | (next & 0x3F);
  }
  constexpr uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = value >= 0xD800 && value < 0xE000;
  if (value < kLeast[length] || value > 0x10FFFF || surrogate) return {};
  return {value, length};
}

/// Control characters (C0, DEL, C1), and characters that change the direction of a line or end it.
bool is_control(uint32_t value) {
  return value < 0x20 || (value >= 0x7F && value < 0xA0) || value == 0x061C || value == 0x200E || value == 0x200F ||
         (value >= 0x2028 && value <= 0x202E) || (value >= 0x2066 && value <= 0x2069);
}

/// Escapes control characters except `keep` (0: none).
std::string harmless(std::string_view text, char keep) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const CodePoint first = first_of(text);
    const size_t length = std::max<size_t>(first.length, 1);
    if (first.length == 0) {
      const auto byte = static_cast<uint8_t>(text.front());
      out += {'\\', 'x', kHexDigits[byte >> 4], kHexDigits[byte & 15]};
    } else if (is_control(first.value) && (keep == 0 || text.front() != keep)) {
      out += "\\u";
      for (int shift = 12; shift >= 0; shift -= 4) out += kHexDigits[first.value >> shift & 15];
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(length);
  }
  return out;
}

// --- the streams ---

/// Buffers printed text. After a failure nothing more is written, and the stream is bad.
class Sink : public std::streambuf {
 public:
  explicit Sink(int descriptor) : descriptor_(descriptor) {}

  /// 0, or the errno of the first write that failed.
  int failure() const { return failure_; }
  bool used() const { return used_; }
  bool write_out(std::string_view text) {
    if (failure_ == 0 && !text.empty()) {
      used_ = true;
      if (!write_all(descriptor_, as_bytes(text))) failure_ = errno;
    }
    return failure_ == 0;
  }
  bool fail_with(int reason) {
    failure_ = reason;
    return false;
  }

 protected:
  int_type overflow(int_type character) override {
    if (traits_type::eq_int_type(character, traits_type::eof())) return traits_type::not_eof(character);
    const char one = traits_type::to_char_type(character);
    return xsputn(&one, 1) == 1 ? character : traits_type::eof();
  }
  std::streamsize xsputn(const char* text, std::streamsize count) override {
    constexpr size_t kMost = 64 << 10;
    gathered_.append(text, static_cast<size_t>(count));
    const size_t lines = gathered_.size() < kMost ? 0 : gathered_.rfind('\n') + 1;
    if (lines > 0) {
      const bool written = write_out(harmless(std::string_view(gathered_).substr(0, lines), '\n'));
      gathered_.erase(0, lines);
      if (!written) return 0;
    }
    return failure_ == 0 ? count : 0;
  }
  int sync() override {
    const std::string text = harmless(gathered_, '\n');
    wipe(gathered_.data(), gathered_.size());  // the text may contain a recovery phrase
    gathered_.clear();
    return write_out(text) ? 0 : -1;
  }

 private:
  const int descriptor_;
  std::string gathered_;
  int failure_ = 0;
  bool used_ = false;
};

// The sinks live as long as the process, so that text can be printed while it ends.
Sink& out_sink() {
  static Sink& sink = *new Sink(STDOUT_FILENO);
  return sink;
}
Sink& err_sink() {
  static Sink& sink = *new Sink(STDERR_FILENO);
  return sink;
}

[[noreturn]] void refuse_lost_output() {
  const int reason = out_sink().failure();
  throw Error(reason == ENOSPC || reason == EDQUOT ? ErrorCode::kNoSpace : ErrorCode::kIo,
              std::string("cannot write to the standard output: ") + std::strerror(reason));
}

void flush_or_throw() {
  std::cout.flush();
  if (out_sink().failure() != 0) refuse_lost_output();
}

}  // namespace

std::string shown(std::string_view text) { return harmless(text, 0); }

StandardStreams::StandardStreams()
    : out_before_(std::cout.rdbuf(&out_sink())), err_before_(std::cerr.rdbuf(&err_sink())) {}

StandardStreams::~StandardStreams() {
  std::cout.rdbuf(out_before_);
  std::cerr.rdbuf(err_before_);
}

void StandardStreams::finish() {
  flush_or_throw();
  // Some file systems report only here that there was no space for the written bytes.
  if (out_sink().used() && ::close(STDOUT_FILENO) != 0 && errno != EINTR) {
    out_sink().fail_with(errno);
    refuse_lost_output();
  }
}

void require_shown() {
  flush_or_throw();
  struct stat where {};
  const bool is_file = fstat(STDOUT_FILENO, &where) == 0 && S_ISREG(where.st_mode);
  if (is_file && fsync(STDOUT_FILENO) != 0) {
    out_sink().fail_with(errno);
    refuse_lost_output();
  }
}

void write_bytes(ByteView bytes) {
  flush_or_throw();
  if (!out_sink().write_out(as_text(bytes))) refuse_lost_output();
}

}  // namespace vtpm::tools
