#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# An empty Debian 12: the README's commands, and the package that cpack makes of the tree that they have built. Run by
# .ci/run in the root that scripts/empty_root.sh makes.
set -euo pipefail
tests/field/on_an_empty_debian.sh
apt-get install -y --no-install-recommends dpkg-dev file >/dev/null # dpkg-shlibdeps
cmake --build --preset release --target package
tests/field/package_on_an_empty_debian.sh build/release/vtpm-pkcs11_*.deb
