// Super-packets count as the packets that the wire carries, through the real programs.

#include <vector>

#include "tests/bpf/mirror_fixture.h"

namespace vxtap::test {
namespace {

constexpr const char* kA = "10.0.0.1";
constexpr const char* kB = "10.1.0.2";
constexpr const char* kA6 = "2001:db8::1";
constexpr const char* kB6 = "2001:db8:1::2";

constexpr uint32_t kPayload = 1200, kGsoSize = 500, kPackets = 3;
constexpr uint32_t kEthernet = 14, kIpv4 = 20, kIpv6 = 40, kUdp = 8, kTcp = 20;

class Wire : public MirrorFixture {
 protected:
  Wire() { configure_rules(R"({"priority": 1, "policy": "ignore"})"); }

  // `headers`: bytes of what each packet on the wire begins with.
  void expect_packets(const Packet& packet, uint32_t headers, uint32_t payload_bytes = kPayload) {
    const auto outcome = run(packet, Direction::inbound, {kGsoSize, kPackets});
    EXPECT_EQ(outcome.rules.packets, kPackets);
    EXPECT_EQ(outcome.rules.bytes, kPackets * headers + payload_bytes);
  }
};

// A tunnel's header, which names what is inside by itself.
Layer tunnel(Bytes header) {
  return {std::move(header), {}, nullptr};
}

Layer gre(Bytes header) {
  return {std::move(header), 47, nullptr};
}

TEST_F(Wire, tcp_and_udp) {
  expect_packets(ethernet() / ipv4(kA, kB) / tcp(1, 2) / payload(kPayload),
                 kEthernet + kIpv4 + kTcp);
  expect_packets(ethernet() / ipv6(kA6, kB6) / tcp(1, 2) / payload(kPayload),
                 kEthernet + kIpv6 + kTcp);
  expect_packets(ethernet() / ipv4(kA, kB) / udp(1, 2) / payload(kPayload),
                 kEthernet + kIpv4 + kUdp);
  expect_packets(
      ethernet() / vlan(5) / ipv6(kA6, kB6) / extension(60) / udp(1, 2) / payload(kPayload),
      kEthernet + 4 + kIpv6 + 8 + kUdp);
}

TEST_F(Wire, vxlan_and_geneve) {
  const auto inside_udp = kEthernet + kIpv4 + kUdp + 8;
  const auto outside = [](uint16_t port) { return ethernet() / ipv4(kA, kB) / udp(50000, port); };
  const Bytes vxlan{0x08, 0, 0, 0, 0, 0, 7, 0};
  const Bytes geneve{2, 0, 0x65, 0x58, 0, 0, 7, 0, 1, 2, 3, 1, 0, 0, 0, 0};  // with an option
  const Bytes geneve_ipv6{0, 0, 0x86, 0xdd, 0, 0, 7, 0};
  expect_packets(
      outside(8472) / tunnel(vxlan) / ethernet() / ipv4(kA, kB) / tcp(1, 2) / payload(kPayload),
      inside_udp + kEthernet + kIpv4 + kTcp);
  expect_packets(
      outside(8472) / tunnel(vxlan) / ethernet() / ipv6(kA6, kB6) / udp(1, 2) / payload(kPayload),
      inside_udp + kEthernet + kIpv6 + kUdp);
  expect_packets(
      outside(6081) / tunnel(geneve) / ethernet() / ipv4(kA, kB) / tcp(1, 2) / payload(kPayload),
      inside_udp + 8 + kEthernet + kIpv4 + kTcp);
  expect_packets(
      outside(6081) / tunnel(geneve_ipv6) / ipv6(kA6, kB6) / tcp(1, 2) / payload(kPayload),
      inside_udp + kIpv6 + kTcp);
}

// Not every train of packets in a tunnel is a tunneled super-packet: GRO of UDP makes one of whole
// ones.
TEST_F(Wire, train_of_tunneled_packets) {
  expect_packets(ethernet() / ipv4(kA, kB) / udp(50000, 8472) /
                     tunnel({0x08, 0, 0, 0, 0, 0, 7, 0}) / ethernet() /
                     ipv4(kA, kB, {.total_length = 442}) / tcp(1, 2) / payload(kPayload),
                 kEthernet + kIpv4 + kUdp, 8 + kEthernet + kIpv4 + kTcp + kPayload);
}

TEST_F(Wire, gre_and_ip_in_ip) {
  const auto outside = [](uint8_t protocol) {
    return ethernet() / ipv4(kA, kB, {.protocol = protocol});
  };
  const Bytes ip{0, 0, 0x08, 0};
  const Bytes keyed_ethernet{0x20, 0, 0x65, 0x58, 0, 0, 0, 7};
  const Bytes all_fields{0xb0, 0, 0x08, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 1};
  expect_packets(outside(47) / gre(ip) / ipv4(kA, kB) / tcp(1, 2) / payload(kPayload),
                 kEthernet + kIpv4 + 4 + kIpv4 + kTcp);
  expect_packets(outside(47) / gre(keyed_ethernet) / ethernet() / ipv6(kA6, kB6) / tcp(1, 2) /
                     payload(kPayload),
                 kEthernet + kIpv4 + 8 + kEthernet + kIpv6 + kTcp);
  expect_packets(outside(47) / gre(all_fields) / ipv4(kA, kB) / udp(1, 2) / payload(kPayload),
                 kEthernet + kIpv4 + 16 + kIpv4 + kUdp);
  expect_packets(outside(4) / ipv4(kA, kB) / tcp(1, 2) / payload(kPayload),
                 kEthernet + 2 * kIpv4 + kTcp);
  expect_packets(outside(41) / ipv6(kA6, kB6) / tcp(1, 2) / payload(kPayload),
                 kEthernet + kIpv4 + kIpv6 + kTcp);
}

// Its chunks are of any size: the kernel tells how many packets there are, by a gso_size that is
// none.
TEST_F(Wire, sctp) {
  const auto packet = ethernet() / ipv4(kA, kB) / sctp(1, 2) / payload(kPayload);
  const auto outcome = run(packet, Direction::inbound, {0xffff, 7});
  EXPECT_EQ(outcome.rules.packets, 7U);
  EXPECT_EQ(outcome.rules.bytes, 7 * (kEthernet + kIpv4 + 12) + kPayload);
}

}  // namespace
}  // namespace vxtap::test
