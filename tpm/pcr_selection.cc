#include "tpm/pcr_selection.h"

#include <algorithm>
#include <iterator>

#include "crypto/error.h"

namespace vtpm::tpm {

namespace {

constexpr unsigned kPcrs = 24;

struct Row {
  const char* name;
  TPM2_ALG_ID algorithm;
};
constexpr Row kRows[] = {
    {"sha1", TPM2_ALG_SHA1}, {"sha256", TPM2_ALG_SHA256}, {"sha384", TPM2_ALG_SHA384}, {"sha512", TPM2_ALG_SHA512}};

TPMS_PCR_SELECTION selection_of(const PcrBank& bank) {
  const auto* row =
      std::find_if(std::begin(kRows), std::end(kRows), [&](const Row& each) { return bank.hash == each.name; });
  if (row == std::end(kRows))
    throw Error(ErrorCode::kInvalidArgument, "There is no bank of PCRs \"" + bank.hash + "\".");
  TPMS_PCR_SELECTION selection = {};
  selection.hash = row->algorithm;
  selection.sizeofSelect = kPcrs / 8;
  for (const unsigned pcr : bank.pcrs) {
    if (pcr >= kPcrs) throw Error(ErrorCode::kInvalidArgument, "There is no PCR " + std::to_string(pcr) + ".");
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
        throw Error(ErrorCode::kInvalidArgument, "The bank \"" + bank.hash + "\" is named twice.");
    }
    all.pcrSelections[all.count++] = selection;
  }
  if (all.count == 0) throw Error(ErrorCode::kInvalidArgument, "No PCRs are named.");
  return all;
}

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
