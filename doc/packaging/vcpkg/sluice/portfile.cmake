# SPDX-License-Identifier: BSL-1.0

# The port for vcpkg. It installs the copy of the project in which it lies:
#   vcpkg install sluice --overlay-ports=doc/packaging/vcpkg
# Of changes to that copy vcpkg knows nothing as long as the version is the same; then it is told
# --no-binarycaching.

cmake_path(SET SOURCE_PATH NORMALIZE "${CMAKE_CURRENT_LIST_DIR}/../../../..")

# Headers are the same in every configuration.
set(VCPKG_BUILD_TYPE release)

vcpkg_cmake_configure(
  SOURCE_PATH "${SOURCE_PATH}"
  OPTIONS
    -DSLUICE_BUILD_TESTS=OFF
    -DSLUICE_BUILD_EXAMPLES=OFF
    -DSLUICE_BUILD_BENCH=OFF)
vcpkg_cmake_install()
vcpkg_cmake_config_fixup(CONFIG_PATH share/cmake/sluice)
vcpkg_fixup_pkgconfig()
# What is to be linked is the same for all architectures: -pthread.
set(VCPKG_POLICY_SKIP_PKGCONFIG_CHECK enabled)
file(REMOVE_RECURSE "${CURRENT_PACKAGES_DIR}/share/doc")
vcpkg_install_copyright(FILE_LIST "${SOURCE_PATH}/LICENSE")
