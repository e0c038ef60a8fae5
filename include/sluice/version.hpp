// SPDX-License-Identifier: BSL-1.0
#ifndef SLUICE_VERSION_HPP
#define SLUICE_VERSION_HPP

// This is where the version is written down; whatever builds or packages the library reads it here.

/// The version as a number that can be compared: 100000 * major + 100 * minor + patch.
#define SLUICE_VERSION 100

/// The version as it is written.
#define SLUICE_VERSION_STRING "0.1.0"

#endif  // SLUICE_VERSION_HPP
