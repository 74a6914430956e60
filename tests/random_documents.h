#pragma once

// Valid documents at random: every field over the whole range that SPEC §1 gives it, its bounds far
// more often than chance would have them.

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "agent/model/objects.h"
#include "tests/random.h"

namespace vxtap::test {

// What rules take their values from. An empty list: any value there is.
struct Pool {
  std::vector<Address> addresses;  // of both families; networks are made around them
  std::vector<uint16_t> ports;
  std::vector<uint8_t> protocols;
};

Address random_address(Random& random, Family family, const Pool& pool = {});
Address random_destination(Random& random);
uint16_t random_port(Random& random, const Pool& pool = {});
uint8_t random_protocol(Random& random, const Pool& pool = {});

Cidr network_of(Address address, uint8_t prefix_length);

// An address of the network, whose host bits are often all zeros or all ones.
Address random_host(Random& random, const Cidr& network);

// 0 to `most` rules of unique priorities, in no order.
std::vector<Rule> random_rules(Random& random, size_t most, const Pool& pool = {});
Session random_session(Random& random, const std::string& name, const std::string& filter);
Document random_document(Random& random);

// The document as a user would write it, every field given.
nlohmann::ordered_json to_json(const Document& document);

}  // namespace vxtap::test
