#include "tpm/guard.h"

namespace vtpm::tpm {

thread_local Call* current_call = nullptr;

}  // namespace vtpm::tpm
