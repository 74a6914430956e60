// Fragments of datagrams through the real programs: SPEC §2.6.

#include "tests/bpf/mirror_fixture.h"

namespace vxtap::test {
namespace {

constexpr const char* kA = "10.0.0.1";
constexpr const char* kB = "10.1.0.2";
constexpr const char* kA6 = "2001:db8::1";
constexpr const char* kB6 = "2001:db8:1::2";

class Fragments : public MirrorFixture {};

Packet first(uint16_t id, const Layer& transport) {
  return ethernet() / ipv4(kA, kB, {.more_fragments = true, .id = id}) / transport / payload(64);
}
Packet later(uint16_t id, uint8_t protocol) {
  return ethernet() / ipv4(kA, kB, {.protocol = protocol, .fragment_offset = 72, .id = id}) /
         payload(64);
}
Packet first6(uint32_t id, const Layer& transport) {
  return ethernet() / ipv6(kA6, kB6) / ipv6_fragment(0, true, {}, id) / transport / payload(64);
}
Packet later6(uint32_t id, uint8_t next_header) {
  return ethernet() / ipv6(kA6, kB6) / ipv6_fragment(72, false, next_header, id) / payload(64);
}

TEST_F(Fragments, follow_the_first_one) {
  configure_rules(
      R"({"priority": 1, "policy": "collect", "protocol": "udp", "destination_port": "53/53"},
         {"priority": 2, "policy": "ignore", "protocol": "udp", "destination_port": "54/54"},
         {"priority": 3, "policy": "collect", "protocol": "tcp", "destination_port": "80/80"})");
  expect({
      {"the first", first(1, udp(9, 53)), "s:1 collect"},
      {"a later one", later(1, 17), "s:1 collect"},
      {"another later one", later(1, 17), "s:1 collect"},
      {"the first of an ignored one", first(2, udp(9, 54)), "s:2 ignore"},
      {"its later one", later(2, 17), "s:2 ignore"},
      {"the first of one that no rule matches", first(3, udp(9, 55)), "none"},
      {"its later one", later(3, 17), "none"},
      {"TCP with a number that UDP has used", first(1, tcp(9, 80)), "s:3 collect"},
      {"its later one", later(1, 6), "s:3 collect"},
      {"UDP's later one still", later(1, 17), "s:1 collect"},
      {"IPv6, the first", first6(70000, udp(9, 53)), "s:1 collect"},
      {"IPv6, a later one", later6(70000, 17), "s:1 collect"},
      {"IPv6, of another datagram, the same in the low bits", later6(4464, 17), "undecided"},
      {"a number that is used again", first(1, udp(9, 54)), "s:2 ignore"},
      {"its later one", later(1, 17), "s:2 ignore"},
  });
}

TEST_F(Fragments, follow_through_extension_headers) {
  configure_rules(
      R"({"priority": 1, "policy": "collect", "protocol": "udp", "destination_port": "53/53"},
         {"priority": 2, "policy": "ignore", "protocol": "udp"})");
  expect({
      {"the first",
       ethernet() / ipv6(kA6, kB6) / ipv6_fragment(0, true, {}, 5) / extension(60) / udp(9, 53) /
           payload(64),
       "s:1 collect"},
      {"a later one says only that an extension comes first", later6(5, 60), "s:1 collect"},
      {"one whose first was not seen may be of any protocol", later6(6, 60), "undecided"},
  });
}

TEST_F(Fragments, whose_first_was_not_seen) {
  configure_rules(
      R"({"priority": 1, "policy": "collect", "protocol": "icmp"},
         {"priority": 2, "policy": "collect", "protocol": "udp", "destination_port": "53/53"},
         {"priority": 3, "policy": "collect", "protocol": "tcp", "destination_port": "80/80"},
         {"priority": 4, "policy": "ignore", "protocol": "tcp"},
         {"priority": 5, "policy": "collect", "protocol": "sctp", "destination_port": "1/9"},
         {"priority": 6, "policy": "collect", "protocol": "sctp"},
         {"priority": 7, "policy": "collect", "protocol": "89"})");
  expect({
      {"a protocol without ports leaves no doubt", later(1, 1), "s:1 collect"},
      {"a rule's ports may match", later(1, 17), "undecided"},
      {"collect or ignore, as the ports are", later(1, 6), "undecided"},
      {"collect, whatever the ports are", later(1, 132), "s:6 collect"},
      {"no rule may match", later(1, 47), "none"},
      {"another protocol without ports", later(1, 89), "s:7 collect"},
  });
}

TEST_F(Fragments, in_doubt_end_the_search) {
  configure(R"({"filters": [
      {"name": "f", "inbound": [{"priority": 1, "policy": "collect", "protocol": "udp",
                                 "destination_port": "53/53"}]},
      {"name": "g", "inbound": [{"priority": 1, "policy": "collect"}]}],
    "sessions": [
      {"name": "a", "filter": "f", "sources": ["lo"], "destination": "192.0.2.9", "vni": 7,
       "priority": 1, "enabled": true},
      {"name": "b", "filter": "g", "sources": ["lo"], "destination": "192.0.2.9", "vni": 8,
       "priority": 2, "enabled": true}]})");
  expect({
      {"whether the second session is tried is what nobody knows", later(1, 17), "undecided"},
      {"the first session leaves no doubt", later(1, 6), "b:1 collect"},
  });
}

TEST_F(Fragments, to_a_collector_are_the_mirrors_own_unless_their_port_says_otherwise) {
  configure_rules(R"({"priority": 1, "policy": "collect"})");
  const auto to_collector = [](bool more, uint16_t id) {
    return ethernet() / ipv4(kA, "192.0.2.9",
                             {.protocol = 17,
                              .fragment_offset = static_cast<uint16_t>(more ? 0 : 72),
                              .more_fragments = more,
                              .id = id});
  };
  expect({
      {"its first was not seen", to_collector(false, 1) / payload(64), "own"},
      {"the first of a copy", to_collector(true, 2) / udp(50000, 4789) / payload(64), "own"},
      {"its later one", to_collector(false, 2) / payload(64), "own"},
      {"the first of something else", to_collector(true, 3) / udp(50000, 53) / payload(64),
       "s:1 collect"},
      {"its later one", to_collector(false, 3) / payload(64), "s:1 collect"},
  });
}

}  // namespace
}  // namespace vxtap::test
