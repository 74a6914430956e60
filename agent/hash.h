#pragma once

// Hashes and their text.

#include <cstdint>
#include <string>
#include <string_view>

namespace vxtap {

// FNV-1a, 64 bits: fnvhash "The FNV Non-Cryptographic Hash Algorithm", RFC 9923.
constexpr uint64_t fnv1a(std::string_view bytes, uint64_t hash = 0xcbf29ce484222325) {
  for (const char byte : bytes) hash = (hash ^ static_cast<uint8_t>(byte)) * 0x100000001b3;
  return hash;
}

// All digits of the number, upper case.
template <class Number>
std::string hex(Number number) {
  std::string text(sizeof(Number) * 2, '0');
  for (size_t i = 0; i < text.size(); ++i) {
    text[text.size() - 1 - i] = "0123456789ABCDEF"[number >> i * 4 & 15];
  }
  return text;
}

}  // namespace vxtap
