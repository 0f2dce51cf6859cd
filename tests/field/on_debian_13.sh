#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# An empty Debian 13: the README's first command, every test of the release preset, and the package that
# dpkg-buildpackage makes. Run by .ci/run in the root that scripts/empty_root.sh makes. Arguments are ./check's.
set -euo pipefail
./quickstart
./check --preset release "$@"
apt-get install -y --no-install-recommends build-essential debhelper >/dev/null
DEB_BUILD_OPTIONS="noautodbgsym parallel=$(nproc)" dpkg-buildpackage --build=binary --no-sign
tests/field/package_on_an_empty_debian.sh ../vtpm-pkcs11_*.deb
