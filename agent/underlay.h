#pragma once

// The ways from this host to the collectors: routes, links, link-layer addresses, and what the
// collectors answer.

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agent/kernel/network.h"
#include "agent/model/compile.h"
#include "agent/model/objects.h"

namespace vxtap {

class Underlay {
 public:
  // `encapsulation`: whether programs may write outer headers at all, and if not, why.
  Underlay(Network& network, std::string no_encapsulation)
      : network_(network), no_encapsulation_(std::move(no_encapsulation)) {}

  // From now on these are the destinations. Asks for the routes of those that are new.
  void use(const std::set<Address>& destinations, const std::vector<Link>& links);
  // Routes and links may have changed: they are asked for anew by the next use().
  void forget() { ways_.clear(); }

  // Makes the kernel look for the link-layer addresses that it does not know, or has not heard of
  // for a while: a program that writes outer headers does not confirm them. To be called every
  // second: it gives up after some tries.
  void look_for_neighbours();

  // A collector answered with an ICMP error.
  void on_refusal(const Address& destination) {
    refused_[destination] = std::chrono::steady_clock::now();
  }

  // Interfaces that a program may write the outer headers on.
  std::set<uint32_t> interfaces() const;
  // `hooked`: whether one stands there.
  using Hooked = std::function<bool(uint32_t ifindex)>;
  std::map<Address, Surroundings::Path> paths(const Hooked& hooked) const;
  // Why no program can write the outer headers of copies to an address, one of the destinations or
  // not yet; empty if one can, or if there is no route.
  std::string why_kernel(const Address& destination, const Hooked& hooked);
  // Who writes the outer headers of the copies to each destination.
  struct Encapsulation {
    std::string interface;  // empty: there is no way
    bool bpf = false;
    std::string reason;  // why not
  };
  std::map<Address, Encapsulation> encapsulations(const Hooked& hooked) const;
  // What is wrong with the way to each destination, or what its collector said in the last seconds.
  // Sentences.
  std::map<Address, std::string> problems();
  // Asks whether there are IPsec policies now; says whether the answer is another one.
  bool look_for_ipsec();

 private:
  struct Way {
    Route route;
    std::string interface;
    bool has_neighbours = true;
    bool carrier = true;
    bool ethernet = true;
  };
  std::string only_kernel(const Way& way) const;
  std::string why_kernel(const Way& way, const Hooked& hooked) const;
  std::optional<Way> find(const Address& destination, const std::vector<Link>& links);
  std::string problem(const Address& destination, const std::optional<Way>& way,
                      const std::map<Neighbour, bool>& known) const;

  Network& network_;
  std::string no_encapsulation_;
  bool ipsec_ = false;
  std::map<Address, std::optional<Way>> ways_;
  std::map<Address, std::chrono::steady_clock::time_point> refused_;
};

}  // namespace vxtap
