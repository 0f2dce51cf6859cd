// SPDX-License-Identifier: Apache-2.0
// Input that may overlap the output in any way. The ciphers of `crypto/` accept the same memory for both, but no other
// overlap.
#pragma once

#include "base/bytes.h"

namespace vtpm::pkcs11 {

/// A view of the input: of the caller's memory, or of a copy if the memory partly overlaps the output.
class Untangled {
 public:
  Untangled(ByteView in, MutableByteView out) : view_(in) {
    if (in.data() == out.data() || in.data() + in.size() <= out.data() || out.data() + out.size() <= in.data()) return;
    copy_ = SecretBytes(in);
    view_ = copy_;
  }
  ByteView view() const { return view_; }

 private:
  SecretBytes copy_;
  ByteView view_;
};

}  // namespace vtpm::pkcs11
