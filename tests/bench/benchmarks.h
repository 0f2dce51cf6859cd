// What main registers. Names are "operation/side" for the table of ratios, or just a name (tests/bench/ratio_table.h).
#pragma once

namespace vtpm::bench {

/// Signatures and logins through the C functions of the module, of SoftHSM and of OpenSSL's EVP.
void register_pkcs11_benchmarks();
/// The TPM without PKCS#11.
void register_tpm_benchmarks();

}  // namespace vtpm::bench
