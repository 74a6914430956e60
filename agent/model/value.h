#pragma once

// The text forms of values: one function each, which names the rule that was broken and the value.
// All parse functions throw Error(invalid) with an empty field; the caller knows the field.

#include <string>
#include <string_view>

#include "agent/model/objects.h"

namespace vxtap {

// The numbers that something may be, both ends included.
struct Bounds {
  uint32_t first, last;
  bool hold(uint64_t number) const { return number >= first && number <= last; }
  std::string rule() const;
};
inline constexpr Bounds kRulePriorities{1, 16777216};
inline constexpr Bounds kSessionPriorities{1, 32766};
inline constexpr Bounds kVnis{0, 16777215};
inline constexpr Bounds kPacketLengths{64, 8500};
inline constexpr Bounds kPorts{0, 65535};

uint32_t parse_number(std::string_view text, const Bounds& bounds);

Direction parse_direction(std::string_view text);

Policy parse_policy(std::string_view text);
const char* to_string(Policy policy);

Oversize parse_oversize(std::string_view text);
const char* to_string(Oversize oversize);

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
