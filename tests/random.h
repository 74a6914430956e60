#pragma once

// Chance for tests: the same seed gives the same values with every standard library, which its own
// distributions do not promise.

#include <cstdint>
#include <cstdlib>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace vxtap::test {

inline uint64_t environment_number(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::stoull(text);
}

// Of the first case of a test; each later one adds one. A failure names the seed of its case:
// VXTAP_TEST_SEED brings that case first.
inline uint64_t first_seed() {
  return environment_number("VXTAP_TEST_SEED", 1);
}

class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}

  // From first to last, both included.
  template <class Number>
  Number number(Number first, Number last) {
    const uint64_t choices = static_cast<uint64_t>(last - first) + 1;
    return static_cast<Number>(first + static_cast<Number>(engine_() % choices));
  }

  // The same, but half of the time one of the two bounds.
  template <class Number>
  Number number_or_bound(Number first, Number last) {
    if (chance(50)) return number(first, last);
    return chance(50) ? first : last;
  }

  bool chance(uint32_t percent) { return number(1U, 100U) <= percent; }

  template <class List>
  const auto& pick(const List& list) {
    return list.at(number<size_t>(0, list.size() - 1));
  }

  template <class Element>
  void shuffle(std::vector<Element>& list) {
    for (size_t i = list.size(); i > 1; --i) std::swap(list[i - 1], list[number<size_t>(0, i - 1)]);
  }

 private:
  std::mt19937_64 engine_;
};

}  // namespace vxtap::test
