# SPDX-License-Identifier: BSL-1.0

conan() { "$tests/stand_in/conan" "$@"; }

# tag::create[]
conan create sluice/doc/packaging/conan --build=missing
# end::create[]
is_installed package
[ -s package/licenses/LICENSE ] || fail "there is no licence"

# The recipe has had the project built that the other ways build, too.
works test_package/program
