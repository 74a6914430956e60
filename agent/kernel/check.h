#pragma once

#include <cstring>
#include <string>

#include "agent/error.h"

namespace vxtap {

// For calls that return a negative errno, as libbpf's do: gives the result back, or throws.
template <class Result>
Result check(Result result, const std::string& what) {
  if (result < 0) {
    throw Error(Error::Kind::internal, "Kernel",
                what + ": " + std::strerror(static_cast<int>(-result)));
  }
  return result;
}

}  // namespace vxtap
