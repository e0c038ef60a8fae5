# SPDX-License-Identifier: BSL-1.0

# What vcpkg would do with the port, and its toolchain file with what comes of it.
VCPKG_ROOT=$HOME/vcpkg
vcpkg() {
  is "what vcpkg is asked for" "$1 $2" "install sluice"
  cmake -D PORT="$2" -D "OVERLAY_PORTS=${3#--overlay-ports=}" -D "INSTALLED=$VCPKG_ROOT/installed" \
    -P "$tests/stand_in/vcpkg.cmake"
}
mkdir -p "$VCPKG_ROOT/scripts/buildsystems"
echo "list(APPEND CMAKE_PREFIX_PATH $VCPKG_ROOT/installed)" \
  >"$VCPKG_ROOT/scripts/buildsystems/vcpkg.cmake"

# tag::install[]
vcpkg install sluice --overlay-ports=sluice/doc/packaging/vcpkg
# end::install[]
is_installed "$VCPKG_ROOT/installed"
[ -s "$VCPKG_ROOT/installed/share/sluice/copyright" ] || fail "there is no licence"

# tag::use[]
cmake -S consumer -B build \
  -D CMAKE_TOOLCHAIN_FILE="$VCPKG_ROOT/scripts/buildsystems/vcpkg.cmake"
cmake --build build
# end::use[]
works build/program
