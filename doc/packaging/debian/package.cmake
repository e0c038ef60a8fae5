# SPDX-License-Identifier: BSL-1.0

# The Debian package, libsluice-dev. CPack makes it: cpack --preset debian.

# Who makes a package is named in it; by these variables other tools of Debian know, too.
set(maintainer "$ENV{DEBFULLNAME} <$ENV{DEBEMAIL}>")
if(maintainer STREQUAL " <>")
  set(maintainer "Sluice <sluice@localhost>")
endif()

# Debian has a form of its own for the licence, and for the change log, which is compressed.
string(TIMESTAMP date "%a, %d %b %Y %H:%M:%S +0000" UTC)
configure_file(${CMAKE_CURRENT_LIST_DIR}/changelog.in debian/changelog @ONLY)
file(ARCHIVE_CREATE
  OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/debian/changelog.gz
  PATHS ${CMAKE_CURRENT_BINARY_DIR}/debian/changelog
  FORMAT raw COMPRESSION GZip COMPRESSION_LEVEL 9)
install(
  FILES ${CMAKE_CURRENT_LIST_DIR}/copyright ${CMAKE_CURRENT_BINARY_DIR}/debian/changelog.gz
  DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/libsluice-dev COMPONENT debian EXCLUDE_FROM_ALL)

set(CPACK_INSTALL_CMAKE_PROJECTS
  ${CMAKE_CURRENT_BINARY_DIR} sluice library / ${CMAKE_CURRENT_BINARY_DIR} sluice debian /)
set(CPACK_GENERATOR DEB)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
  OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)

set(CPACK_PACKAGE_NAME libsluice-dev)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_ARCHITECTURE all)
set(CPACK_DEBIAN_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_PACKAGE_MAINTAINER ${maintainer})
# Debian 12 has a Boost that is too old under the plain name, and newer ones under names of theirs.
set(CPACK_DEBIAN_PACKAGE_DEPENDS
  "libboost-dev (>= 1.81) | libboost1.81-dev | libboost1.83-dev")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "channels for Boost.Asio, a header-only C++ library")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
"Sluice is a library of channels that are Boost.Asio I/O objects: coroutines,
completion handlers and threads put values in at one end and take them out at
the other, each on an executor of its own. A cancelled receive loses nothing.
Beside the channel there are the oneshot, the broadcast, the watch and the
select. It needs C++17, and C++20 for coroutines.")

include(CPack)
