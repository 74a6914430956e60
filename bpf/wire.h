/* What an skb is on the wire: a super-packet (GSO, GRO) stands for many packets, a VLAN tag may be
 * held outside the frame. */
#ifndef VXTAP_WIRE_H
#define VXTAP_WIRE_H

#include "bpf/parse.h"

struct wire {
	__u32 packets;
	__u32 bytes;         /* of all of them, with their Ethernet headers and tags */
	__u32 longest;       /* bytes of the longest of them */
	__u32 network_offset; /* bytes of Ethernet header and tags */
};

static __always_inline __u32 offloaded_tag_length(const struct __sk_buff *skb)
{
	return skb->vlan_present ? 4 : 0;
}

/* Bytes that the skb does not hold but the wire does, or the copy will. */
static __always_inline __u32 outside_length(const struct __sk_buff *skb, bool no_ethernet)
{
	return no_ethernet ? ETH_HLEN : offloaded_tag_length(skb);
}

/* Bytes to the end of a TCP header. */
static __always_inline __u32 tcp_end(struct __sk_buff *skb, __u32 offset)
{
	struct tcphdr tcp;

	if (bpf_skb_load_bytes(skb, offset, &tcp, sizeof(tcp)))
		return offset + sizeof(tcp);
	return offset + tcp.doff * 4;
}

/* Bytes to the end of the TCP header inside a UDP tunnel's packet, RFC 7348, or 0 if it is not one. */
static __always_inline __u32 vxlan_end(struct __sk_buff *skb, __u32 offset)
{
	struct {
		__u8 flags, reserved[7];
		struct ethhdr ethernet;
		union {
			struct iphdr ipv4;
			struct ipv6hdr ipv6;
		};
	} __attribute__((packed)) inner;
	__u32 end = offset + offsetof(typeof(inner), ipv4);

	if (bpf_skb_load_bytes(skb, offset, &inner, sizeof(inner)) || inner.flags != 0x08)
		return 0;
	if (inner.ethernet.h_proto == bpf_htons(ETH_P_IP) && inner.ipv4.protocol == IPPROTO_TCP)
		return tcp_end(skb, end + inner.ipv4.ihl * 4);
	if (inner.ethernet.h_proto == bpf_htons(ETH_P_IPV6) && inner.ipv6.nexthdr == IPPROTO_TCP)
		return tcp_end(skb, end + sizeof(inner.ipv6));
	return 0;
}

static __always_inline __u32 segments(const struct __sk_buff *skb, __u32 headers)
{
	__u32 payload = skb->len > headers ? skb->len - headers : 0;

	return (payload + skb->gso_size - 1) / skb->gso_size;
}

/* Bytes of all headers, which each segment of a super-packet carries anew. Global: see
 * parse_extensions(). */
__noinline int header_length(struct __sk_buff *skb, const struct packet *packet)
{
	__u32 udp_end, inner;

	if (!packet || !skb->gso_size)
		return 0;
	udp_end = packet->transport_offset + sizeof(struct udphdr);
	if (packet->protocol == IPPROTO_TCP)
		return tcp_end(skb, packet->transport_offset);
	/* An overlay's super-packet is segmented by what is inside. */
	inner = packet->protocol == IPPROTO_UDP ? vxlan_end(skb, udp_end) : 0;
	return inner && segments(skb, inner) == skb->gso_segs ? inner : udp_end;
}

static __always_inline void measure(struct __sk_buff *skb, const struct packet *packet,
				    bool no_ethernet, struct wire *wire)
{
	__u32 outside = outside_length(skb, no_ethernet);

	wire->packets = 1;
	wire->bytes = wire->longest = skb->len + outside;
	wire->network_offset = packet->network_offset + outside;
	if (skb->gso_size) {
		__u32 headers = header_length(skb, packet);
		__u32 packets = segments(skb, headers);

		if (packets <= 1)
			return;
		wire->packets = packets;
		wire->bytes = skb->len + (packets - 1) * headers + packets * outside;
		wire->longest = headers + skb->gso_size + outside;
	}
}

#endif
