#pragma once

// The ways from this host to the collectors: routes, links, link-layer addresses, and what the
// collectors answer.

#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/kernel/network.h"
#include "agent/model/compile.h"
#include "agent/model/objects.h"

namespace vxtap {

class Underlay {
 public:
  explicit Underlay(Network& network) : network_(network) {}

  // From now on these are the destinations. Asks for the routes of those that are new.
  void use(const std::set<Address>& destinations, const std::vector<Link>& links);
  // Routes and links may have changed: they are asked for anew by the next use().
  void forget() { ways_.clear(); }

  // Makes the kernel look for the link-layer addresses that it does not know. To be called every
  // second: it gives up after some tries.
  void look_for_neighbours();

  // A collector answered with an ICMP error.
  void on_refusal(const Address& destination) {
    refused_[destination] = std::chrono::steady_clock::now();
  }

  std::map<Address, Surroundings::Path> paths() const;
  // What is wrong with the way to each destination, or what its collector said in the last seconds.
  // Sentences.
  std::map<Address, std::string> problems();

 private:
  struct Way {
    Route route;
    std::string interface;
    bool has_neighbours = true;
    bool carrier = true;
  };
  std::optional<Way> find(const Address& destination, const std::vector<Link>& links);
  std::string problem(const Address& destination, const std::optional<Way>& way,
                      const std::set<Neighbour>& known) const;

  Network& network_;
  std::map<Address, std::optional<Way>> ways_;
  std::map<Address, std::chrono::steady_clock::time_point> refused_;
};

}  // namespace vxtap
