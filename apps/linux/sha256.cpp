#include "sha256.h"

#include <array>
#include <cmath>
#include <cstdio>

namespace {

constexpr size_t kBlock = 64;

uint32_t rotate(uint32_t value, int bits) { return value >> bits | value << (32 - bits); }

// The first 32 bits of the fractional part, as the standard derives its constants from roots of
// primes: long double has 64 bits of mantissa on x86-64 and 113 on ARM64, more than the 35 needed.
uint32_t fraction(long double root) {
  return static_cast<uint32_t>((root - std::floor(root)) * 4294967296.0L);
}

struct Constants {
  std::array<uint32_t, 8> start;
  std::array<uint32_t, 64> round;

  Constants() {
    size_t found = 0;
    for (int number = 2; found < round.size(); ++number) {
      bool prime = true;
      for (int factor = 2; factor * factor <= number; ++factor) prime &= number % factor != 0;
      if (!prime) continue;
      if (found < start.size()) start[found] = fraction(std::sqrt(static_cast<long double>(number)));
      round[found++] = fraction(std::cbrt(static_cast<long double>(number)));
    }
  }
};

void add_block(std::array<uint32_t, 8>& state, const uint8_t* block, const Constants& constants) {
  std::array<uint32_t, 64> words;
  for (size_t i = 0; i < 16; ++i) {
    words[i] = uint32_t{block[4 * i]} << 24 | uint32_t{block[4 * i + 1]} << 16 |
               uint32_t{block[4 * i + 2]} << 8 | block[4 * i + 3];
  }
  for (size_t i = 16; i < 64; ++i) {
    const uint32_t a = words[i - 15], b = words[i - 2];
    words[i] = words[i - 16] + (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) + words[i - 7] +
               (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
  }
  auto [a, b, c, d, e, f, g, h] = state;
  for (size_t i = 0; i < 64; ++i) {
    const uint32_t one = h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) +
                         ((e & f) ^ (~e & g)) + constants.round[i] + words[i];
    const uint32_t two =
        (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
    h = g, g = f, f = e, e = d + one, d = c, c = b, b = a, a = one + two;
  }
  const std::array<uint32_t, 8> added{a, b, c, d, e, f, g, h};
  for (size_t i = 0; i < state.size(); ++i) state[i] += added[i];
}

}  // namespace

std::string sha256(const std::vector<uint8_t>& bytes) {
  static const Constants constants;
  auto state = constants.start;
  const size_t whole = bytes.size() / kBlock * kBlock;
  for (size_t at = 0; at < whole; at += kBlock) add_block(state, bytes.data() + at, constants);

  // the rest, a one bit, zeros, and the length in bits
  std::vector<uint8_t> rest(bytes.begin() + static_cast<std::ptrdiff_t>(whole), bytes.end());
  rest.push_back(0x80);
  while (rest.size() % kBlock != kBlock - 8) rest.push_back(0);
  const uint64_t bits = 8 * uint64_t{bytes.size()};
  for (int shift = 56; shift >= 0; shift -= 8) rest.push_back(static_cast<uint8_t>(bits >> shift));
  for (size_t at = 0; at < rest.size(); at += kBlock) add_block(state, rest.data() + at, constants);

  std::string text;
  for (const uint32_t word : state) {
    char digits[9];
    std::snprintf(digits, sizeof digits, "%08x", word);
    text += digits;
  }
  return text;
}
