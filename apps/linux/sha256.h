#pragma once

#include <cstdint>
#include <string>
#include <vector>

// The SHA-256 of bytes (FIPS 180-4) in hexadecimal. An app takes its platform's.
std::string sha256(const std::vector<uint8_t>& bytes);
