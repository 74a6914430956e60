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

/* Bytes of all headers, which each segment of a super-packet carries anew. */
static __always_inline __u32 header_length(struct __sk_buff *skb, const struct packet *packet)
{
	struct tcphdr tcp;

	if (packet->protocol != IPPROTO_TCP)
		return packet->transport_offset + sizeof(struct udphdr);
	if (bpf_skb_load_bytes(skb, packet->transport_offset, &tcp, sizeof(tcp)))
		return packet->transport_offset + sizeof(tcp);
	return packet->transport_offset + tcp.doff * 4;
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
		__u32 payload = skb->len > headers ? skb->len - headers : 0;

		if (payload <= skb->gso_size)
			return;
		wire->packets = (payload + skb->gso_size - 1) / skb->gso_size;
		wire->bytes = payload + wire->packets * (headers + outside);
		wire->longest = headers + skb->gso_size + outside;
	}
}

#endif
