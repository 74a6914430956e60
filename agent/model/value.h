#pragma once

// The text forms of values: one function each, which names the rule that was broken and the value.
// All parse functions throw Error(invalid) with an empty field; the caller knows the field.

#include <string>
#include <string_view>

#include "agent/model/objects.h"

namespace vxtap {

Direction parse_direction(std::string_view text);

Address parse_address(std::string_view text);
std::string to_string(const Address& address);

// Host bits must be zero; the error names the network that was probably meant.
Cidr parse_cidr(std::string_view text);
std::string to_string(const Cidr& cidr);

// `all` gives an empty optional; otherwise a name of SPEC §1 or a number 0–255.
std::optional<uint8_t> parse_protocol(std::string_view text);
std::string protocol_to_string(std::optional<uint8_t> protocol);

// `first/last`; `-1/-1` gives an empty optional.
std::optional<PortRange> parse_port_range(std::string_view text);
std::string port_range_to_string(std::optional<PortRange> range);

bool protocol_has_ports(std::optional<uint8_t> protocol);

}  // namespace vxtap
