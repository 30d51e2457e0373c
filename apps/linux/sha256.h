// SHA-256 (FIPS 180-4), so that the runner needs no cryptography library on the device.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

// The digest of bytes, in lower-case hexadecimal.
std::string sha256(const std::vector<uint8_t>& bytes);
