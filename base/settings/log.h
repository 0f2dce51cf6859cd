// SPDX-License-Identifier: Apache-2.0
// The diagnostic log of the module; off unless the configuration names a destination. One line for each event; never a
// buffer, a PIN or a key. Each line is one write(2), so that lines of several processes do not mix. All functions are
// thread-safe.
//
// The application does not notice the log, whatever the destination is: a line that cannot be written at once is
// dropped. No call waits for a pipe that is full or has no reader, no signal for a broken pipe or for the limit of file
// sizes arrives, and nothing is destroyed at exit, because applications call the module in their exit handlers.
#pragma once

#include <string>
#include <string_view>

namespace vtpm {

enum class LogLevel { kOff, kError, kWarning, kInfo, kDebug };

/// What is wrong with a destination, as the end of a sentence; nullptr if it is well-formed.
const char* log_destination_fault(std::string_view destination) noexcept;
/// `destination` is one of
///   ""        the log is off
///   "stderr"  descriptor 2 of the process
///   "syslog"  one datagram per line to /dev/log
///   a path    of a file (created 0600, appended to) or a character device; absolute, or with `~/` at its beginning,
///             which means the home directory; `%u` means the user name; `%%` means %. The user is the effective user
///             at the time when a line is written.
void log_open(const std::string& destination, LogLevel level);
/// For the fork handlers: no line is being written during a fork, and the child can write.
void log_before_fork();
void log_after_fork_in_parent();
void log_after_fork_in_child();
bool log_enabled(LogLevel level) noexcept;
/// Writes a line. Does not change errno.
void log_line(LogLevel level, std::string_view text) noexcept;
/// The same; if the log is a file that this process may not open, writes to syslog: for a worker that has dropped the
/// rights with which its configuration was read.
void log_line_or_syslog(LogLevel level, std::string_view text) noexcept;
/// Writes a line to syslog, whatever the destination is. Does not change errno.
void syslog_line(LogLevel level, std::string_view text) noexcept;

}  // namespace vtpm
