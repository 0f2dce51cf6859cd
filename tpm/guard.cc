#include "tpm/guard.h"

namespace vtpm::tpm {

constinit thread_local Call* current_call = nullptr;

}  // namespace vtpm::tpm
