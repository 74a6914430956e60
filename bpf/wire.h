/* What an skb is on the wire: a super-packet (GSO, GRO) stands for many packets, a VLAN tag may be
 * held outside the frame. */
#ifndef VXTAP_WIRE_H
#define VXTAP_WIRE_H

#include "bpf/parse.h"

#define SCTP_HEADER 12 /* RFC 9260 §3.1 */

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

/* Bytes to the end of the TCP or UDP header of an IP packet inside a super-packet, or 0. By its own length it ends
 * where the super-packet does, or says 0 if that is too long to be said; the first of a train of tunneled packets
 * ends before. */
static __always_inline __u32 transport_end(struct __sk_buff *skb, __u32 offset, __be16 type)
{
	struct ipv6hdr ipv6;
	struct iphdr ipv4;
	__u32 end;
	__u8 protocol;

	if (type == bpf_htons(ETH_P_IP)) {
		if (bpf_skb_load_bytes(skb, offset, &ipv4, sizeof(ipv4)))
			return 0;
		protocol = ipv4.protocol;
		end = ipv4.tot_len ? offset + bpf_ntohs(ipv4.tot_len) : skb->len;
		offset += ipv4.ihl * 4;
	} else if (type == bpf_htons(ETH_P_IPV6)) {
		if (bpf_skb_load_bytes(skb, offset, &ipv6, sizeof(ipv6)))
			return 0;
		protocol = ipv6.nexthdr;
		offset += sizeof(ipv6);
		end = ipv6.payload_len ? offset + bpf_ntohs(ipv6.payload_len) : skb->len;
	} else {
		return 0;
	}
	if (end != skb->len)
		return 0;
	if (protocol == IPPROTO_TCP)
		return tcp_end(skb, offset);
	return protocol == IPPROTO_UDP ? offset + sizeof(struct udphdr) : 0;
}

/* The same of what a tunnel's header is followed by; `type` as it names that. */
static __always_inline __u32 inside_end(struct __sk_buff *skb, __u32 offset, __be16 type)
{
	if (type == bpf_htons(ETH_P_TEB)) {
		if (bpf_skb_load_bytes(skb, offset + offsetof(struct ethhdr, h_proto), &type, sizeof(type)))
			return 0;
		offset += ETH_HLEN;
	}
	return transport_end(skb, offset, type);
}

/* VXLAN, RFC 7348, or Geneve, RFC 8926. */
static __always_inline __u32 udp_tunnel_end(struct __sk_buff *skb, __u32 offset)
{
	struct {
		__u8 first, flags;
		__be16 type;
		__u8 vni[4];
	} tunnel;

	if (bpf_skb_load_bytes(skb, offset, &tunnel, sizeof(tunnel)))
		return 0;
	offset += sizeof(tunnel);
	if (tunnel.first == 0x08 && !tunnel.type)
		return inside_end(skb, offset, bpf_htons(ETH_P_TEB));
	return inside_end(skb, offset + (tunnel.first & 0x3f) * 4, tunnel.type);
}

/* RFC 2784 and 2890: a checksum, a key and a sequence number may be there. */
static __always_inline __u32 gre_end(struct __sk_buff *skb, __u32 offset)
{
	struct {
		__be16 flags, type;
	} gre;

	if (bpf_skb_load_bytes(skb, offset, &gre, sizeof(gre)))
		return 0;
	offset += sizeof(gre);
	for (int flag = 0x8000; flag >= 0x1000; flag >>= 1)
		if (flag != 0x4000 && gre.flags & bpf_htons(flag))
			offset += 4;
	return inside_end(skb, offset, gre.type);
}

/* Bytes to the end of the innermost header of a tunnel's packet, or 0 if it is not one. */
static __always_inline __u32 tunnel_end(struct __sk_buff *skb, const struct packet *packet)
{
	__u32 offset = packet->transport_offset;

	switch (packet->protocol) {
	case IPPROTO_UDP:
		return udp_tunnel_end(skb, offset + sizeof(struct udphdr));
	case IPPROTO_GRE:
		return gre_end(skb, offset);
	case IPPROTO_IPIP:
		return transport_end(skb, offset, bpf_htons(ETH_P_IP));
	case IPPROTO_IPV6:
		return transport_end(skb, offset, bpf_htons(ETH_P_IPV6));
	default:
		return 0;
	}
}

static __always_inline __u32 segments(const struct __sk_buff *skb, __u32 headers)
{
	__u32 payload = skb->len > headers ? skb->len - headers : 0;

	return (payload + skb->gso_size - 1) / skb->gso_size;
}

/* Of gso_size: the segments of SCTP are as long as they are, and only their number is told. */
#define GSO_BY_FRAGS 0xffff

/* Bytes of all headers, which each segment of a super-packet carries anew. Global: see
 * parse_extensions(). */
__noinline int header_length(struct __sk_buff *skb, const struct packet *packet)
{
	__u32 inner;

	if (!packet || !skb->gso_size)
		return 0;
	if (packet->protocol == IPPROTO_TCP)
		return tcp_end(skb, packet->transport_offset);
	if (packet->protocol == IPPROTO_SCTP)
		return packet->transport_offset + SCTP_HEADER;
	/* An overlay's super-packet is segmented by what is inside. */
	inner = tunnel_end(skb, packet);
	return inner && segments(skb, inner) == skb->gso_segs ?
		       inner :
		       packet->transport_offset + sizeof(struct udphdr);
}

static __always_inline void measure(struct __sk_buff *skb, const struct packet *packet,
				    bool no_ethernet, struct wire *wire)
{
	__u32 outside = outside_length(skb, no_ethernet);

	wire->packets = 1;
	wire->bytes = wire->longest = skb->len + outside;
	wire->network_offset = packet->network_offset + outside;
	if (skb->gso_size) {
		bool by_frags = skb->gso_size == GSO_BY_FRAGS;
		__u32 headers = header_length(skb, packet);
		__u32 packets = by_frags ? skb->gso_segs : segments(skb, headers);

		if (packets <= 1)
			return;
		wire->packets = packets;
		wire->bytes = skb->len + (packets - 1) * headers + packets * outside;
		if (!by_frags)
			wire->longest = headers + skb->gso_size + outside;
	}
}

#endif
