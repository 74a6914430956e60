// Rows of (description, packet, expected decision) through the real programs.

#include <vector>

#include "tests/bpf/mirror_fixture.h"

namespace vxtap::test {
namespace {

constexpr const char* kA = "10.0.0.1";
constexpr const char* kB = "10.1.0.2";
constexpr const char* kA6 = "2001:db8::1";
constexpr const char* kB6 = "2001:db8:1::2";

class Classify : public MirrorFixture {};

TEST_F(Classify, protocols) {
  configure_rules(R"({"priority": 1, "policy": "collect", "protocol": "tcp"},
                     {"priority": 2, "policy": "collect", "protocol": "udp"},
                     {"priority": 3, "policy": "collect", "protocol": "icmp"},
                     {"priority": 4, "policy": "collect", "protocol": "icmpv6"},
                     {"priority": 5, "policy": "collect", "protocol": "sctp"},
                     {"priority": 6, "policy": "collect", "protocol": "gre"},
                     {"priority": 7, "policy": "collect", "protocol": "89"},
                     {"priority": 8, "policy": "collect", "protocol": "0"},
                     {"priority": 9, "policy": "collect", "protocol": "255"})");
  expect({
      {"TCP over IPv4", ethernet() / ipv4(kA, kB) / tcp(1, 2), "s:1 collect"},
      {"TCP over IPv6", ethernet() / ipv6(kA6, kB6) / tcp(1, 2), "s:1 collect"},
      {"UDP over IPv4", ethernet() / ipv4(kA, kB) / udp(1, 2), "s:2 collect"},
      {"UDP over IPv6", ethernet() / ipv6(kA6, kB6) / udp(1, 2), "s:2 collect"},
      {"ICMP", ethernet() / ipv4(kA, kB) / icmp(), "s:3 collect"},
      {"ICMPv6", ethernet() / ipv6(kA6, kB6) / icmpv6(), "s:4 collect"},
      {"SCTP over IPv4", ethernet() / ipv4(kA, kB) / sctp(1, 2), "s:5 collect"},
      {"SCTP over IPv6", ethernet() / ipv6(kA6, kB6) / sctp(1, 2), "s:5 collect"},
      {"GRE", ethernet() / ipv4(kA, kB) / protocol(47), "s:6 collect"},
      {"OSPF by its number", ethernet() / ipv4(kA, kB) / protocol(89), "s:7 collect"},
      {"protocol 0 over IPv4", ethernet() / ipv4(kA, kB) / protocol(0), "s:8 collect"},
      {"protocol 255", ethernet() / ipv4(kA, kB) / protocol(255), "s:9 collect"},
      {"a protocol without a rule", ethernet() / ipv4(kA, kB) / protocol(50), "none"},
      {"ICMP's number over IPv6 is ICMP", ethernet() / ipv6(kA6, kB6) / protocol(1), "s:3 collect"},
      {"outbound has no rules", ethernet() / ipv4(kA, kB) / tcp(1, 2), "none", Direction::outbound},
  });
}

TEST_F(Classify, addresses) {
  configure_rules(R"({"priority": 1, "policy": "collect", "source_cidr": "10.0.0.1/32"},
                     {"priority": 2, "policy": "collect", "source_cidr": "10.0.0.0/31"},
                     {"priority": 3, "policy": "collect", "source_cidr": "172.16.0.0/12",
                      "destination_cidr": "192.168.4.0/22"},
                     {"priority": 4, "policy": "collect", "source_cidr": "2001:db8::/33"},
                     {"priority": 5, "policy": "collect", "destination_cidr": "2001:db8:1::2/128"},
                     {"priority": 6, "policy": "collect", "destination_cidr": "0.0.0.0/0"})");
  expect({
      {"/32 matches its address", ethernet() / ipv4("10.0.0.1", kB) / tcp(1, 2), "s:1 collect"},
      {"/31 matches the neighbour", ethernet() / ipv4("10.0.0.0", kB) / tcp(1, 2), "s:2 collect"},
      {"past the /31", ethernet() / ipv4("10.0.0.2", kB) / tcp(1, 2), "s:6 collect"},
      {"first of a /12 and a /22", ethernet() / ipv4("172.16.0.0", "192.168.4.0") / tcp(1, 2),
       "s:3 collect"},
      {"last of a /12 and a /22", ethernet() / ipv4("172.31.255.255", "192.168.7.255") / tcp(1, 2),
       "s:3 collect"},
      {"past the /12", ethernet() / ipv4("172.32.0.0", "192.168.7.255") / tcp(1, 2), "s:6 collect"},
      {"past the /22", ethernet() / ipv4("172.16.0.0", "192.168.8.0") / tcp(1, 2), "s:6 collect"},
      {"IPv6 within a /33", ethernet() / ipv6("2001:db8:7fff::1", "::1") / tcp(1, 2),
       "s:4 collect"},
      {"IPv6 past the /33", ethernet() / ipv6("2001:db8:8000::1", "::1") / tcp(1, 2), "none"},
      {"IPv6 /128", ethernet() / ipv6("fe80::1", "2001:db8:1::2") / tcp(1, 2), "s:5 collect"},
      {"IPv6 past the /128", ethernet() / ipv6("fe80::1", "2001:db8:1::3") / tcp(1, 2), "none"},
      {"0.0.0.0/0 is any IPv4", ethernet() / ipv4("255.255.255.255", "0.0.0.0") / icmp(),
       "s:6 collect"},
      {"0.0.0.0/0 is no IPv6, not even a mapped address",
       ethernet() / ipv6("fe80::1", "::ffff:10.0.0.1") / icmpv6(), "none"},
  });
}

TEST_F(Classify, ports) {
  configure_rules(
      R"({"priority": 1, "policy": "collect", "protocol": "tcp", "destination_port": "0/0"},
                     {"priority": 2, "policy": "collect", "protocol": "tcp", "destination_port": "65535/65535"},
                     {"priority": 3, "policy": "collect", "protocol": "tcp", "destination_port": "80/90"},
                     {"priority": 4, "policy": "collect", "protocol": "tcp", "source_port": "1000/1000",
                      "destination_port": "2000/2000"},
                     {"priority": 5, "policy": "collect", "protocol": "udp", "source_port": "0/65535"},
                     {"priority": 6, "policy": "collect", "protocol": "sctp", "destination_port": "3868/3868"})");
  expect({
      {"port 0", ethernet() / ipv4(kA, kB) / tcp(9, 0), "s:1 collect"},
      {"port 65535", ethernet() / ipv4(kA, kB) / tcp(9, 65535), "s:2 collect"},
      {"port 65534", ethernet() / ipv4(kA, kB) / tcp(9, 65534), "none"},
      {"below a range", ethernet() / ipv4(kA, kB) / tcp(9, 79), "none"},
      {"first of a range", ethernet() / ipv4(kA, kB) / tcp(9, 80), "s:3 collect"},
      {"last of a range", ethernet() / ipv4(kA, kB) / tcp(9, 90), "s:3 collect"},
      {"past a range", ethernet() / ipv4(kA, kB) / tcp(9, 91), "none"},
      {"both ports", ethernet() / ipv4(kA, kB) / tcp(1000, 2000), "s:4 collect"},
      {"only one of both ports", ethernet() / ipv4(kA, kB) / tcp(1001, 2000), "none"},
      {"ports the other way round", ethernet() / ipv4(kA, kB) / tcp(2000, 1000), "none"},
      {"the same port of another protocol", ethernet() / ipv4(kA, kB) / udp(9, 80), "s:5 collect"},
      {"SCTP port", ethernet() / ipv6(kA6, kB6) / sctp(9, 3868), "s:6 collect"},
      {"another SCTP port", ethernet() / ipv6(kA6, kB6) / sctp(9, 3869), "none"},
  });
}

TEST_F(Classify, headers_before_the_ports) {
  configure_rules(
      R"({"priority": 1, "policy": "collect", "protocol": "tcp", "destination_port": "443/443"},
         {"priority": 2, "policy": "ignore", "protocol": "tcp"},
         {"priority": 3, "policy": "ignore", "protocol": "60"},
         {"priority": 4, "policy": "ignore", "protocol": "0"})");
  const auto chain_of_nine = ethernet() / ipv6(kA6, kB6) / extension(60) / extension(60) /
                             extension(60) / extension(60) / extension(60) / extension(60) /
                             extension(60) / extension(60) / extension(60) / tcp(1, 443);
  expect({
      {"IPv4 options", ethernet() / ipv4(kA, kB, {.header_words = 6}) / tcp(1, 443), "s:1 collect"},
      {"the longest IPv4 options", ethernet() / ipv4(kA, kB, {.header_words = 15}) / tcp(1, 443),
       "s:1 collect"},
      {"hop-by-hop", ethernet() / ipv6(kA6, kB6) / extension(0) / tcp(1, 443), "s:1 collect"},
      {"routing", ethernet() / ipv6(kA6, kB6) / extension(43, 2) / tcp(1, 443), "s:1 collect"},
      {"destination options", ethernet() / ipv6(kA6, kB6) / extension(60, 1) / tcp(1, 443),
       "s:1 collect"},
      {"four of them",
       ethernet() / ipv6(kA6, kB6) / extension(0) / extension(60) / extension(43) / extension(60) /
           tcp(1, 443),
       "s:1 collect"},
      {"more headers than any sane packet has", chain_of_nine, "s:3 ignore"},
      {"a chain cut short", (ethernet() / ipv6(kA6, kB6) / extension(60)).cut(14 + 40 + 2),
       "s:3 ignore"},
      {"an extension longer than the packet",
       (ethernet() / ipv6(kA6, kB6) / extension(0, 200) / tcp(1, 443)).cut(14 + 40 + 28),
       "s:4 ignore"},
      {"one 802.1Q tag", ethernet() / vlan(5) / ipv4(kA, kB) / tcp(1, 443), "s:1 collect"},
      {"one 802.1ad tag", ethernet() / vlan(5, 0x88a8) / ipv6(kA6, kB6) / tcp(1, 443),
       "s:1 collect"},
      {"two tags", ethernet() / vlan(5, 0x88a8) / vlan(6) / ipv4(kA, kB) / tcp(1, 443),
       "s:1 collect"},
      {"two 802.1Q tags", ethernet() / vlan(5) / vlan(6) / ipv6(kA6, kB6) / tcp(1, 443),
       "s:1 collect"},
      {"three tags are not looked through",
       ethernet() / vlan(5) / vlan(6) / vlan(7) / ipv4(kA, kB) / tcp(1, 443), "skipped"},
  });
}

TEST_F(Classify, truncated_and_nonsensical) {
  configure_rules(
      R"({"priority": 1, "policy": "collect", "protocol": "tcp", "destination_port": "443/443"},
                     {"priority": 2, "policy": "ignore"})");
  const auto whole = ethernet() / ipv4(kA, kB) / tcp(1, 443);
  const auto whole6 = ethernet() / ipv6(kA6, kB6) / tcp(1, 443);
  const auto tagged = ethernet() / vlan(5) / ipv4(kA, kB) / tcp(1, 443);
  const auto tagged6 = ethernet() / vlan(5) / ipv6(kA6, kB6) / tcp(1, 443);
  expect({
      // Under a tag: BPF_PROG_TEST_RUN itself refuses these without one.
      {"IPv4 header cut short", tagged.cut(18 + 19), "skipped"},
      {"IPv4 header and no more", whole.cut(14 + 20), "s:2 ignore"},
      {"ports cut in the middle", whole.cut(14 + 20 + 3), "s:2 ignore"},
      {"ports and no more", whole.cut(14 + 20 + 4), "s:1 collect"},
      {"IPv6 header cut short", tagged6.cut(18 + 39), "skipped"},
      {"IPv6 header and no more", whole6.cut(14 + 40), "s:2 ignore"},
      {"IPv6 ports and no more", whole6.cut(14 + 40 + 4), "s:1 collect"},
      {"IPv4 header length 4 words", ethernet() / ipv4(kA, kB, {.header_words = 4}) / tcp(1, 443),
       "skipped"},
      {"IPv4 header length 0", ethernet() / ipv4(kA, kB, {.header_words = 0}) / tcp(1, 443),
       "skipped"},
      {"IPv4 options past the end",
       (ethernet() / ipv4(kA, kB, {.header_words = 15}) / tcp(1, 443)).cut(14 + 40), "skipped"},
      {"version 6 under the ethertype of IPv4",
       ethernet() / ipv4(kA, kB, {.version = 6}) / tcp(1, 443), "skipped"},
      {"version 4 under the ethertype of IPv6",
       ethernet() / ipv6(kA6, kB6, {.version = 4}) / tcp(1, 443), "skipped"},
      {"ports in the padding, behind the IPv4 packet's end",
       ethernet() / ipv4(kA, kB, {.total_length = 20}) / tcp(1, 443) / payload(20), "s:2 ignore"},
      {"ports in the padding, behind the IPv6 packet's end",
       ethernet() / ipv6(kA6, kB6, {.payload_length = 2}) / tcp(1, 443) / payload(20),
       "s:2 ignore"},
      {"a total length past the end",
       ethernet() / ipv4(kA, kB, {.total_length = 65535}) / tcp(1, 443), "s:1 collect"},
      {"ARP", ethernet(0x0806) / payload(46, 0), "skipped"},
      {"LLDP", ethernet(0x88cc) / payload(46, 0), "skipped"},
      {"a length instead of a type", ethernet(46) / payload(46, 0), "skipped"},
      {"a tag with nothing behind", (ethernet() / vlan(5) / ipv4(kA, kB) / tcp(1, 443)).cut(16),
       "skipped"},
      {"ARP under a tag", ethernet() / vlan(5) / payload(46, 0), "skipped"},
  });
}

TEST_F(Classify, priorities) {
  configure_rules(R"({"priority": 16777216, "policy": "collect"},
                     {"priority": 20, "policy": "ignore", "protocol": "tcp", "destination_port": "22/22"},
                     {"priority": 10, "policy": "collect", "source_cidr": "10.0.0.9/32"},
                     {"priority": 30, "policy": "collect", "protocol": "tcp"})",
                  R"({"priority": 20, "policy": "collect", "protocol": "tcp"})");
  expect({
      {"ignore of smaller priority wins", ethernet() / ipv4(kA, kB) / tcp(1, 22), "s:20 ignore"},
      {"collect of still smaller priority wins", ethernet() / ipv4("10.0.0.9", kB) / tcp(1, 22),
       "s:10 collect"},
      {"the next rule", ethernet() / ipv4(kA, kB) / tcp(1, 23), "s:30 collect"},
      {"the last rule", ethernet() / ipv4(kA, kB) / udp(1, 22), "s:16777216 collect"},
      {"the same priority in the other direction", ethernet() / ipv4(kA, kB) / tcp(1, 22),
       "s:20 collect", Direction::outbound},
      {"no match in the other direction", ethernet() / ipv4(kA, kB) / udp(1, 22), "none",
       Direction::outbound},
  });
}

TEST_F(Classify, no_rules_and_no_sessions) {
  configure_rules("");
  expect({{"a filter without rules", ethernet() / ipv4(kA, kB) / tcp(1, 2), "none"},
          {"nor outbound", ethernet() / ipv4(kA, kB) / tcp(1, 2), "none", Direction::outbound}});
  configure(R"({"filters": [], "sessions": []})");
  expect({{"no session at all", ethernet() / ipv4(kA, kB) / tcp(1, 2), "none"},
          {"nothing is counted as skipped then", ethernet(0x0806) / payload(46), "none"}});
}

TEST_F(Classify, the_mirrors_own_packets) {
  configure_rules(R"({"priority": 1, "policy": "collect"})");
  expect({
      {"VXLAN to a destination",
       ethernet() / ipv4(kA, "192.0.2.9") / udp(50000, 4789) / payload(50), "own"},
      {"VXLAN to somebody else",
       ethernet() / ipv4(kA, "192.0.2.8") / udp(50000, 4789) / payload(50), "s:1 collect"},
      {"another port of a destination", ethernet() / ipv4(kA, "192.0.2.9") / udp(50000, 4790),
       "s:1 collect"},
      {"TCP to the same port", ethernet() / ipv4(kA, "192.0.2.9") / tcp(50000, 4789),
       "s:1 collect"},
      {"from a destination", ethernet() / ipv4("192.0.2.9", kA) / udp(50000, 4789), "s:1 collect"},
      {"under a tag", ethernet() / vlan(9) / ipv4(kA, "192.0.2.9") / udp(50000, 4789), "own"},
      {"an ICMP error about a copy",
       ethernet() / ipv4("192.0.2.9", kA) / icmp(3) / ipv4(kA, "192.0.2.9") / udp(50000, 4789),
       "own"},
      {"an ICMP error about another packet",
       ethernet() / ipv4("192.0.2.9", kA) / icmp(3) / ipv4(kA, "192.0.2.9") / udp(50000, 53),
       "s:1 collect"},
      {"an echo that looks like such an error",
       ethernet() / ipv4("192.0.2.9", kA) / icmp(8) / ipv4(kA, "192.0.2.9") / udp(50000, 4789),
       "s:1 collect"},
      {"a later fragment of a copy",
       ethernet() / ipv4(kA, "192.0.2.9", {.protocol = 17, .fragment_offset = 1480}) / payload(80),
       "own"},
  });
}

TEST_F(Classify, the_mirrors_own_fragments_over_ipv6) {
  configure(R"({"filters": [{"name": "f", "inbound": [{"priority": 1, "policy": "collect"}]}],
                "sessions": [{"name": "s", "filter": "f", "sources": ["lo"], "vni": 7, "priority": 1,
                              "destination": "2001:db8::9", "enabled": true}]})");
  const char* collector = "2001:db8::9";
  const auto first = ethernet() / ipv6(kA6, collector) / ipv6_fragment(0, true, {}, 3);
  const auto error = ethernet() / ipv6(collector, kA6) / icmpv6(2);
  expect({
      {"a first fragment", first / udp(50000, 4789) / payload(80), "own"},
      {"a later one",
       ethernet() / ipv6(kA6, collector) / ipv6_fragment(1232, false, 17, 3) / payload(80), "own"},
      {"a later one whose first was not seen",
       ethernet() / ipv6(kA6, collector) / ipv6_fragment(1232, false, 17, 4) / payload(80), "own"},
      {"an error about a first fragment",
       error / ipv6(kA6, collector) / ipv6_fragment(0, true, {}, 3) / udp(50000, 4789), "own"},
      {"an error about another packet's first fragment",
       error / ipv6(kA6, collector) / ipv6_fragment(0, true, {}, 3) / udp(50000, 53),
       "s:1 collect"},
      {"an error about a later fragment",
       error / ipv6(kA6, collector) / ipv6_fragment(1232, false, 17, 3) / payload(80), "own"},
      {"an error about somebody else's later fragment",
       error / ipv6(kA6, kB6) / ipv6_fragment(1232, false, 17, 3) / payload(80), "s:1 collect"},
  });
}

constexpr const char* kThreeSessions = R"({
  "filters": [
    {"name": "web", "inbound": [{"priority": 1, "policy": "collect", "protocol": "tcp",
                                 "destination_port": "80/80"}]},
    {"name": "not-ssh", "inbound": [{"priority": 5, "policy": "ignore", "protocol": "tcp",
                                     "destination_port": "22/22"},
                                    {"priority": 6, "policy": "collect", "protocol": "tcp"}]},
    {"name": "all", "inbound": [{"priority": 9, "policy": "collect"}]}],
  "sessions": [
    {"name": "third", "filter": "all", "sources": ["lo"], "destination": "192.0.2.9",
     "priority": 30, "vni": 3, "enabled": true},
    {"name": "first", "filter": "web", "sources": ["lo"], "destination": "192.0.2.9",
     "priority": 10, "vni": 1, "enabled": FIRST, "fall_through": FALL},
    {"name": "second", "filter": "not-ssh", "sources": ["lo"], "destination": "192.0.2.10",
     "priority": 20, "vni": 2, "enabled": true}]})";

std::string three_sessions(const std::string& first_enabled, const std::string& fall_through) {
  std::string text = kThreeSessions;
  text.replace(text.find("FIRST"), 5, first_enabled);
  text.replace(text.find("FALL"), 4, fall_through);
  return text;
}

TEST_F(Classify, several_sessions) {
  const auto web = ethernet() / ipv4(kA, kB) / tcp(1, 80);
  const auto ssh = ethernet() / ipv4(kA, kB) / tcp(1, 22);
  const auto dns = ethernet() / ipv4(kA, kB) / udp(1, 53);
  configure(three_sessions("true", "false"));
  expect({{"the smallest priority decides", web, "first:1 collect"},
          {"an ignore decides too", ssh, "second:5 ignore"},
          {"what no earlier one matches", dns, "third:9 collect"}});
  configure(three_sessions("false", "false"));
  expect({{"a disabled one is not tried", web, "second:6 collect"}});
  configure(three_sessions("true", "true"));
  expect({{"fall_through goes on to the next", web, "first:1 collect, second:6 collect"},
          {"but not where it did not match", dns, "third:9 collect"}});
}

TEST_F(Classify, a_thousand_rules) {
  std::string rules;
  for (int i = 1; i <= 1000; ++i) {
    rules += std::string(i > 1 ? "," : "") + R"({"priority": )" + std::to_string(i) +
             R"(, "policy": "collect", "protocol": "udp", "destination_port": ")" +
             std::to_string(i) + "/" + std::to_string(i) + "\"}";
  }
  configure_rules(rules);
  expect({{"the first", ethernet() / ipv4(kA, kB) / udp(1, 1), "s:1 collect"},
          {"the last", ethernet() / ipv4(kA, kB) / udp(1, 1000), "s:1000 collect"},
          {"none", ethernet() / ipv4(kA, kB) / udp(1, 1001), "none"}});
}

TEST_F(Classify, counts_bytes_and_cuts) {
  configure(R"({"filters": [{"name": "f", "inbound": [{"priority": 1, "policy": "collect"}]}],
                "sessions": [{"name": "s", "filter": "f", "sources": ["lo"], "vni": 7,
                "destination": "192.0.2.9", "priority": 1, "packet_length": 64, "enabled": true}]})");
  const auto longer = run(ethernet() / vlan(5) / ipv4(kA, kB) / udp(1, 2) / payload(100));
  EXPECT_EQ(longer.counters.matched_bytes, 14U + 4 + 20 + 8 + 100);
  EXPECT_EQ(longer.counters.mirrored_bytes, 14U + 4 + 64);
  EXPECT_EQ(longer.counters.truncated_packets, 1U);
  const auto exact = run(ethernet() / ipv4(kA, kB) / udp(1, 2) / payload(36));
  EXPECT_EQ(exact.counters.mirrored_bytes, 14U + 64);
  EXPECT_EQ(exact.counters.truncated_packets, 0U);
}

}  // namespace
}  // namespace vxtap::test
