/* From a frame to what rules look at. The packet is only read; a header is copied to the stack, so
 * that it makes no difference whether it lies in the linear part of the skb. */
#ifndef VXTAP_PARSE_H
#define VXTAP_PARSE_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <stdbool.h>
#include <stddef.h>

#include "bpf/mirror_abi.h"

#define MAX_VLAN_TAGS 2
#define MAX_EXTENSIONS 8 /* more than any sane packet has; the rest is the payload of an unknown one */

#define NEXT_HOP_BY_HOP 0
#define NEXT_ROUTING 43
#define NEXT_FRAGMENT 44
#define NEXT_DESTINATION 60
#define NEXT_MOBILITY 135
#define NEXT_HIP 139
#define NEXT_SHIM6 140

#define IPV4_FRAGMENT_OFFSET 0x1fff
#define IPV4_MORE_FRAGMENTS 0x2000

struct packet {
	__be32 source[4], destination[4]; /* IPv4 in the first word, the others zero */
	__u32 network_offset;             /* bytes from the Ethernet header to the IP header */
	__u32 transport_offset;           /* bytes to what `protocol` names */
	__u32 network_end;                /* bytes to the end of the IP packet by its own length */
	__u16 source_port, destination_port;
	__u8 family, protocol;
	bool ports_seen;
	bool ports_unknown;    /* there may be ports, in a fragment that was not seen */
	bool protocol_unknown; /* the same: the first fragment has more extension headers */
	bool fragment;       /* any fragment, the first one too */
	bool later_fragment; /* not the first */
	__u8 fragment_protocol; /* what follows the fragment header, the same for all of a datagram */
	__be32 fragment_id;
};

#define MAX_HEADER_OFFSET 0xfff /* of what is read below; headers end far before, as a rule */

/* Copies a header to the stack: straight from the linear part of the skb, at a fraction of what the helper
 * takes, if it lies there. `size` is constant. 0, or not 0 if the packet ends before. */
static __always_inline long load_header(struct __sk_buff *skb, __u32 offset, void *to, __u32 size)
{
	const void *data = (const void *)(long)skb->data;
	const void *end = (const void *)(long)skb->data_end;

	if (offset <= MAX_HEADER_OFFSET && data + offset + size <= end) {
		__builtin_memcpy(to, data + offset, size);
		return 0;
	}
	return bpf_skb_load_bytes(skb, offset, to, size);
}

/* What begins at its IP header has no offset and no tags. */
static __always_inline int parse_no_ethernet(struct __sk_buff *skb, struct packet *packet)
{
	packet->network_offset = 0;
	return bpf_ntohs(skb->protocol);
}

/* The offset of the network header and its ethertype (host order), past up to two tags. */
static __always_inline int parse_ethernet(struct __sk_buff *skb, struct packet *packet)
{
	__u32 offset = offsetof(struct ethhdr, h_proto);
	__be16 type;

	if (load_header(skb, offset, &type, sizeof(type)))
		return -1;
	for (int tag = 0; tag < MAX_VLAN_TAGS; tag++) {
		if (type != bpf_htons(ETH_P_8021Q) && type != bpf_htons(ETH_P_8021AD))
			break;
		offset += 4;
		if (load_header(skb, offset, &type, sizeof(type)))
			return -1;
	}
	packet->network_offset = offset + sizeof(type);
	return bpf_ntohs(type);
}

static __always_inline int parse_ipv4(struct __sk_buff *skb, struct packet *packet)
{
	struct iphdr ip;
	__u32 header_length, length;
	__u16 fragment;

	if (load_header(skb, packet->network_offset, &ip, sizeof(ip)))
		return -1;
	header_length = ip.ihl * 4;
	if (ip.version != 4 || header_length < sizeof(ip) ||
	    packet->network_offset + header_length > skb->len)
		return -1;
	fragment = bpf_ntohs(ip.frag_off);
	length = bpf_ntohs(ip.tot_len);
	packet->family = MIRROR_FAMILY_IPV4;
	packet->source[0] = ip.saddr;
	packet->destination[0] = ip.daddr;
	packet->protocol = ip.protocol;
	packet->fragment = fragment & (IPV4_FRAGMENT_OFFSET | IPV4_MORE_FRAGMENTS);
	packet->later_fragment = fragment & IPV4_FRAGMENT_OFFSET;
	packet->fragment_id = ip.id;
	packet->fragment_protocol = ip.protocol;
	packet->transport_offset = packet->network_offset + header_length;
	/* A super-packet of more than 64 KiB has no length of its own. */
	packet->network_end = length ? packet->network_offset + length : skb->len;
	return 0;
}

struct extension {
	__u8 next, length;
	/* Of a fragment header: offset in 8 bytes, reserved bits, more-fragments bit; identification. */
	__be16 fragment;
	__be32 fragment_id;
};

static __always_inline bool is_extension(__u8 protocol)
{
	return protocol == NEXT_HOP_BY_HOP || protocol == NEXT_ROUTING ||
	       protocol == NEXT_FRAGMENT || protocol == NEXT_DESTINATION ||
	       protocol == NEXT_MOBILITY || protocol == NEXT_HIP || protocol == NEXT_SHIM6;
}

/* Walks the extension headers (RFC 8200 §4). Where the chain is cut short or too long, `protocol` is
 * the header that could not be passed, so that no rule takes its content for ports.
 *
 * Global, as all that few packets need: the verifier looks at such a function once, by itself, and not
 * for each of the ways that lead there. Loading takes a tenth of the time. */
__noinline int parse_extensions(struct __sk_buff *skb, struct packet *packet)
{
	if (!packet) /* so that the verifier knows */
		return 0;
	for (int i = 0; i < MAX_EXTENSIONS; i++) {
		struct extension extension;
		__u32 size;

		if (!is_extension(packet->protocol) || packet->later_fragment)
			return 0;
		if (bpf_skb_load_bytes(skb, packet->transport_offset, &extension, sizeof(extension)))
			return 0;
		if (packet->protocol == NEXT_FRAGMENT) {
			packet->fragment = true;
			packet->later_fragment = bpf_ntohs(extension.fragment) & ~7;
			packet->fragment_id = extension.fragment_id;
			packet->fragment_protocol = extension.next;
			size = 8;
		} else {
			size = (extension.length + 1) * 8;
		}
		if (packet->transport_offset + size > skb->len)
			return 0;
		packet->protocol = extension.next;
		packet->transport_offset += size;
	}
	return 0;
}

static __always_inline int parse_ipv6(struct __sk_buff *skb, struct packet *packet)
{
	struct ipv6hdr ip;
	__u32 length;

	if (load_header(skb, packet->network_offset, &ip, sizeof(ip)) || ip.version != 6)
		return -1;
	length = bpf_ntohs(ip.payload_len);
	packet->family = MIRROR_FAMILY_IPV6;
	__builtin_memcpy(packet->source, &ip.saddr, sizeof(packet->source));
	__builtin_memcpy(packet->destination, &ip.daddr, sizeof(packet->destination));
	packet->protocol = ip.nexthdr;
	packet->transport_offset = packet->network_offset + sizeof(ip);
	/* A jumbogram or a super-packet of more than 64 KiB says zero. */
	packet->network_end = length ? packet->transport_offset + length : skb->len;
	parse_extensions(skb, packet);
	return 0;
}

static __always_inline bool has_ports(__u8 protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP;
}

/* Ports are seen only where the IP packet itself holds them: not in Ethernet padding, not in a later
 * fragment. */
static __always_inline void parse_ports(struct __sk_buff *skb, struct packet *packet)
{
	__be16 ports[2];

	if (packet->later_fragment || !has_ports(packet->protocol))
		return;
	if (packet->transport_offset + sizeof(ports) > packet->network_end ||
	    load_header(skb, packet->transport_offset, ports, sizeof(ports)))
		return;
	packet->source_port = bpf_ntohs(ports[0]);
	packet->destination_port = bpf_ntohs(ports[1]);
	packet->ports_seen = true;
}

/* 0, or −1 if the frame is not IPv4 or IPv6 or its IP header is not sound. `packet` must be zeroed. */
static __always_inline int parse(struct __sk_buff *skb, struct packet *packet, bool no_ethernet)
{
	int type = no_ethernet ? parse_no_ethernet(skb, packet) : parse_ethernet(skb, packet);

	if (type == ETH_P_IP) {
		if (parse_ipv4(skb, packet))
			return -1;
	} else if (type == ETH_P_IPV6) {
		if (parse_ipv6(skb, packet))
			return -1;
	} else {
		return -1;
	}
	parse_ports(skb, packet);
	return 0;
}

/* The same for both directions of a flow, and for all fragments of a datagram; never zero. */
static __always_inline __u32 flow_hash(const struct packet *packet)
{
	__u32 source = packet->fragment ? 0 : packet->source_port;
	__u32 destination = packet->fragment ? 0 : packet->destination_port;
	__u32 hash;

	for (int i = 0; i < 4; i++) {
		source = (source ^ packet->source[i]) * 0x9e3779b1;
		destination = (destination ^ packet->destination[i]) * 0x9e3779b1;
		source ^= source >> 15;
		destination ^= destination >> 15;
	}
	hash = source + destination + packet->protocol;
	/* Final mix of MurmurHash3, so that every input bit reaches the high bits, which the kernel
	 * makes the port of. */
	hash = (hash ^ hash >> 16) * 0x85ebca6b;
	hash = (hash ^ hash >> 13) * 0xc2b2ae35;
	hash ^= hash >> 16;
	return hash ? hash : 1;
}

#endif
