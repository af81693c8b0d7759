// SHA-256 (FIPS 180-4), to know a copy by.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace ivtrace {

/// In lower-case hexadecimal, as sha256sum(1) prints it.
std::string sha256_hex(std::span<const std::byte> bytes);

}  // namespace ivtrace
