#include "agent/model/value.h"

#include <gtest/gtest.h>

#include "agent/error.h"

namespace vxtap {
namespace {

struct Row {
  const char* text;
  const char* expected;  // the text form of the value, or the code of the error
};

template <class Function>
void check(std::initializer_list<Row> rows, Function text_form) {
  for (const auto& row : rows) {
    SCOPED_TRACE(row.text);
    try {
      EXPECT_EQ(text_form(row.text), row.expected);
    } catch (const Error& error) {
      EXPECT_EQ(error.code, row.expected);
      EXPECT_EQ(error.value, row.text);
      EXPECT_EQ(error.kind, Error::Kind::invalid);
    }
  }
}

TEST(Value, addresses) {
  check({{"10.0.0.1", "10.0.0.1"},
         {"255.255.255.255", "255.255.255.255"},
         {"2001:DB8::0:1", "2001:db8::1"},
         {"::ffff:10.0.0.1", "::ffff:10.0.0.1"},
         {"", "InvalidAddress"},
         {"10.0.0", "InvalidAddress"},
         {"10.0.0.256", "InvalidAddress"},
         {"10.0.0.1/32", "InvalidAddress"},
         {" 10.0.0.1", "InvalidAddress"},
         {"fe80::1%eth0", "InvalidAddress"},
         {"collector", "InvalidAddress"}},
        [](const char* text) { return to_string(parse_address(text)); });
}

TEST(Value, a_text_does_not_end_at_a_nul) {
  EXPECT_THROW(parse_address({"10.0.0.1\0", 9}), Error);
  EXPECT_THROW(parse_cidr({"10.0.0.0\0/8", 11}), Error);
}

TEST(Value, numbers) {
  check({{"1", "1"},
         {"32766", "32766"},
         {"0", "OutOfRange"},
         {"32767", "OutOfRange"},
         {"4294967297", "OutOfRange"},
         {"18446744073709551617", "OutOfRange"},
         {"", "InvalidType"},
         {"-1", "InvalidType"},
         {"1 ", "InvalidType"},
         {"0x1", "InvalidType"}},
        [](const char* text) { return std::to_string(parse_number(text, kSessionPriorities)); });
}

TEST(Value, networks) {
  check({{"10.0.0.0/8", "10.0.0.0/8"},
         {"0.0.0.0/0", "0.0.0.0/0"},
         {"10.1.2.3/32", "10.1.2.3/32"},
         {"10.1.2.2/31", "10.1.2.2/31"},
         {"::/0", "::/0"},
         {"2001:db8::/33", "2001:db8::/33"},
         {"2001:db8::1/128", "2001:db8::1/128"},
         {"10.0.0.1/8", "HostBitsSet"},
         {"10.1.2.3/31", "HostBitsSet"},
         {"2001:db8::1/64", "HostBitsSet"},
         {"10.0.0.0", "InvalidCidr"},
         {"10.0.0.0/", "InvalidCidr"},
         {"10.0.0.0/33", "InvalidCidr"},
         {"10.0.0.0/-1", "InvalidCidr"},
         {"10.0.0.0/08x", "InvalidCidr"},
         {"::/129", "InvalidCidr"},
         {"/8", "InvalidCidr"},
         {"", "InvalidCidr"}},
        [](const char* text) { return to_string(parse_cidr(text)); });
}

TEST(Value, an_error_names_the_network_that_was_meant) {
  try {
    parse_cidr("10.99.1.7/9");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("10.0.0.0/9"), std::string::npos);
  }
}

TEST(Value, protocols) {
  check({{"all", "all"},
         {"tcp", "tcp"},
         {"6", "tcp"},
         {"17", "udp"},
         {"icmp", "icmp"},
         {"icmpv6", "icmpv6"},
         {"58", "icmpv6"},
         {"sctp", "sctp"},
         {"gre", "gre"},
         {"0", "0"},
         {"255", "255"},
         {"256", "InvalidProtocol"},
         {"-1", "InvalidProtocol"},
         {"TCP", "InvalidProtocol"},
         {"", "InvalidProtocol"},
         {"6 ", "InvalidProtocol"}},
        [](const char* text) { return protocol_to_string(parse_protocol(text)); });
}

TEST(Value, port_ranges) {
  check({{"-1/-1", "-1/-1"},
         {"0/0", "0/0"},
         {"0/65535", "0/65535"},
         {"80/90", "80/90"},
         {"90/80", "InvalidPortRange"},
         {"80", "InvalidPortRange"},
         {"80/", "InvalidPortRange"},
         {"/80", "InvalidPortRange"},
         {"0/65536", "InvalidPortRange"},
         {"-1/80", "InvalidPortRange"},
         {"+1/2", "InvalidPortRange"},
         {"1/2/3", "InvalidPortRange"},
         {"", "InvalidPortRange"}},
        [](const char* text) { return port_range_to_string(parse_port_range(text)); });
}

}  // namespace
}  // namespace vxtap
