// The module's log: silent unless the configuration names a destination. One line per event; never a buffer, a PIN or a
// key. Writing uses one write(2) per line, so lines of several processes do not mix.
#pragma once

#include <string>
#include <string_view>

namespace vtpm::pkcs11 {

enum class LogLevel { kOff, kError, kWarning, kInfo, kDebug };

/// `destination`: "stderr" or a file path (created 0600, appended to); "" turns the log off.
void log_open(const std::string& destination, LogLevel level);
/// No line is being written while the process forks, and the child's can be.
void log_before_fork();
void log_after_fork_in_parent();
void log_after_fork_in_child();
bool log_enabled(LogLevel level) noexcept;
void log_line(LogLevel level, std::string_view text) noexcept;

}  // namespace vtpm::pkcs11
