#pragma once

// What the netlink files share: ownership of libnl's objects, and its errors.

#include <netlink/errno.h>

#include <memory>
#include <string>

#include "agent/error.h"

namespace vxtap {

template <class Object, auto release>
struct Release {
  void operator()(Object* object) const { release(object); }
};
template <class Object, auto release>
using Owned = std::unique_ptr<Object, Release<Object, release>>;

// Throws on libnl's negative error numbers.
inline int nl_check(int result, const std::string& what) {
  if (result < 0) {
    throw Error(Error::Kind::internal, "Netlink", what + ": " + nl_geterror(result));
  }
  return result;
}

}  // namespace vxtap
