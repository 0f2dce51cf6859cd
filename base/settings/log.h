// SPDX-License-Identifier: Apache-2.0
// The module's log: silent unless the configuration names a destination. One line per event; never a buffer, a PIN or a
// key. Writing uses one write(2) per line, so lines of several processes do not mix.
//
// Whatever the destination is, the host does not notice: a line that cannot be written at once is dropped. Nobody waits
// for a pipe that is full or that nobody reads, no signal of a broken pipe or of the limit of file sizes arrives, and
// nothing is destroyed at exit, because applications go on calling in their exit handlers.
#pragma once

#include <string>
#include <string_view>

namespace vtpm {

enum class LogLevel { kOff, kError, kWarning, kInfo, kDebug };

/// What is wrong with a destination, as the end of a sentence; nullptr when it is well-formed.
const char* log_destination_fault(std::string_view destination) noexcept;
/// `destination` is one of
///   ""        the log is off
///   "stderr"  descriptor 2 as the host has it
///   "syslog"  one datagram per line to /dev/log
///   a path    of a file (created 0600, appended to) or a character device; absolute, or with `~/` at its beginning,
///             which stands for the home directory, as `%u` does for the name, of the effective user, whoever that is
///             when a line is written; `%%` for %.
void log_open(const std::string& destination, LogLevel level);
/// No line is being written while the process forks, and the child's can be.
void log_before_fork();
void log_after_fork_in_parent();
void log_after_fork_in_child();
bool log_enabled(LogLevel level) noexcept;
/// Leaves errno as it was.
void log_line(LogLevel level, std::string_view text) noexcept;
/// The same; where the log is a file that this process may not open, to syslog: for what a worker has to say that has
/// given up the rights with which its configuration was read.
void log_line_or_syslog(LogLevel level, std::string_view text) noexcept;
/// A line to syslog, whatever log_open was given. Leaves errno as it was.
void syslog_line(LogLevel level, std::string_view text) noexcept;

}  // namespace vtpm
