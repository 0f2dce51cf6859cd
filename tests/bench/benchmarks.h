// SPDX-License-Identifier: Apache-2.0
// What main registers: each program has one set of benchmarks. Names are "operation/side" for the table of ratios, or
// just a name (tests/bench/ratio_table.h).
#pragma once

namespace vtpm::bench {

void register_benchmarks();

}  // namespace vtpm::bench
