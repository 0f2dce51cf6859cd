// SPDX-License-Identifier: Apache-2.0
#include "tpm/use/pcr_selection.h"

#include <algorithm>
#include <iterator>

#include "base/error.h"

namespace vtpm::tpm {

namespace {

struct Row {
  const char* name;
  TPM2_ALG_ID algorithm;
  size_t bytes;
};
constexpr Row kRows[] = {{"sha1", TPM2_ALG_SHA1, TPM2_SHA1_DIGEST_SIZE},
                         {"sha256", TPM2_ALG_SHA256, TPM2_SHA256_DIGEST_SIZE},
                         {"sha384", TPM2_ALG_SHA384, TPM2_SHA384_DIGEST_SIZE},
                         {"sha512", TPM2_ALG_SHA512, TPM2_SHA512_DIGEST_SIZE}};

const Row* row_of(const std::string& bank) {
  const auto* row =
      std::find_if(std::begin(kRows), std::end(kRows), [&](const Row& each) { return bank == each.name; });
  return row == std::end(kRows) ? nullptr : row;
}

TPMS_PCR_SELECTION selection_of(const PcrBank& bank) {
  const Row* row = row_of(bank.hash);
  if (!row)
    throw Error(ErrorCode::kInvalidArgument,
                "there is no bank of PCRs \"" + bank.hash + "\" (sha1, sha256, sha384, sha512)");
  if (bank.pcrs.empty()) throw Error(ErrorCode::kInvalidArgument, "no PCR of the bank \"" + bank.hash + "\" is named");
  TPMS_PCR_SELECTION selection = {};
  selection.hash = row->algorithm;
  selection.sizeofSelect = kPcrs / 8;
  for (const unsigned pcr : bank.pcrs) {
    if (pcr >= kPcrs) throw Error(ErrorCode::kInvalidArgument, "there is no PCR " + std::to_string(pcr) + " (0 to 23)");
    selection.pcrSelect[pcr / 8] |= static_cast<uint8_t>(1u << pcr % 8);
  }
  return selection;
}

}  // namespace

TPML_PCR_SELECTION pcr_selection(const std::vector<PcrBank>& banks) {
  TPML_PCR_SELECTION all = {};
  for (const PcrBank& bank : banks) {
    const TPMS_PCR_SELECTION selection = selection_of(bank);
    for (uint32_t i = 0; i < all.count; ++i) {
      if (all.pcrSelections[i].hash == selection.hash)
        throw Error(ErrorCode::kInvalidArgument, "the bank \"" + bank.hash + "\" is named twice");
    }
    all.pcrSelections[all.count++] = selection;
  }
  if (all.count == 0) throw Error(ErrorCode::kInvalidArgument, "no PCRs are named");
  return all;
}

size_t pcr_bytes(const std::string& bank) {
  const Row* row = row_of(bank);
  return row ? row->bytes : 0;
}

void check_pcr_banks(const std::vector<PcrBank>& banks) { (void)pcr_selection(banks); }

std::vector<PcrBank> pcr_banks(const TPML_PCR_SELECTION& selection) {
  std::vector<PcrBank> banks;
  for (uint32_t i = 0; i < selection.count; ++i) {
    const TPMS_PCR_SELECTION& one = selection.pcrSelections[i];
    const auto* row =
        std::find_if(std::begin(kRows), std::end(kRows), [&](const Row& each) { return each.algorithm == one.hash; });
    PcrBank bank{row == std::end(kRows) ? std::to_string(one.hash) : row->name, {}};
    for (unsigned pcr = 0; pcr < 8u * one.sizeofSelect; ++pcr) {
      if (one.pcrSelect[pcr / 8] & 1u << pcr % 8) bank.pcrs.push_back(pcr);
    }
    banks.push_back(std::move(bank));
  }
  return banks;
}

}  // namespace vtpm::tpm
