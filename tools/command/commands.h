// SPDX-License-Identifier: Apache-2.0
// The commands of vtpm-token. Each adds its options to the command line and returns what runs when it is chosen.
#pragma once

#include <CLI/CLI.hpp>

namespace vtpm::tools {

/// Exit status of a command that ran: 0, or 1 when what it looked at is not in order.
using ExitStatus = int;

void add_init(CLI::App& app, ExitStatus& status);
void add_reinit(CLI::App& app, ExitStatus& status);
void add_rename(CLI::App& app, ExitStatus& status);
void add_delete(CLI::App& app, ExitStatus& status);
void add_list(CLI::App& app, ExitStatus& status);
void add_mechanisms(CLI::App& app, ExitStatus& status);
void add_store(CLI::App& app, ExitStatus& status);
void add_blob_commands(CLI::App& store);
void add_layout_commands(CLI::App& store);
void add_keyslot(CLI::App& app, ExitStatus& status);
void add_rekey(CLI::App& keyslot);
void add_config(CLI::App& app, ExitStatus& status);
void add_pin(CLI::App& app, ExitStatus& status);
void add_ca(CLI::App& app, ExitStatus& status);
void add_swtpm(CLI::App& app, ExitStatus& status);

void add_key(CLI::App& app, ExitStatus& status);
void add_attest(CLI::App& app, ExitStatus& status);

}  // namespace vtpm::tools
