/* Which packets are the mirror's own: copies, and what is sent because of them. None is mirrored. */
#ifndef VXTAP_OWN_H
#define VXTAP_OWN_H

#include "bpf/maps.h"
#include "bpf/parse.h"

static __always_inline enum mirror_collector is_collector(__u8 family, const void *address,
							  __u32 length)
{
	struct mirror_address collector = {};
	const __u8 *kind;

	__builtin_memcpy(collector.bytes, address, length);
	collector.family = family;
	kind = bpf_map_lookup_elem(&collectors, &collector);
	return kind ? *kind : MIRROR_NO_COLLECTOR;
}

/* Whether UDP ports at this offset are those of the tunnel. */
static __always_inline bool to_tunnel_port(struct __sk_buff *skb, __u32 offset)
{
	__be16 ports[2];

	return !bpf_skb_load_bytes(skb, offset, ports, sizeof(ports)) &&
	       ports[1] == bpf_htons(tunnel_port);
}

/* An ICMP error about one of the mirror's own packets. Where a collector refuses copies, mirroring
 * its refusals would make one copy of each, and a refusal of that one again. Global: see
 * parse_extensions(). */
__noinline int quotes_own(struct __sk_buff *skb, const struct packet *packet)
{
	enum mirror_collector collector;
	__u32 quoted;
	__u8 type;

	if (!packet)
		return false;
	quoted = packet->transport_offset + 8; /* an ICMP header, RFC 792 and 4443 */
	if (packet->later_fragment ||
	    bpf_skb_load_bytes(skb, packet->transport_offset, &type, sizeof(type)))
		return false;
	if (packet->family == MIRROR_FAMILY_IPV4 && packet->protocol == IPPROTO_ICMP) {
		struct iphdr ip;

		/* Unreachable, quench, time exceeded, parameter problem. */
		return (type == 3 || type == 4 || type == 11 || type == 12) &&
		       !bpf_skb_load_bytes(skb, quoted, &ip, sizeof(ip)) &&
		       ip.protocol == IPPROTO_UDP && to_tunnel_port(skb, quoted + ip.ihl * 4) &&
		       is_collector(MIRROR_FAMILY_IPV4, &ip.daddr, sizeof(ip.daddr));
	}
	if (packet->family == MIRROR_FAMILY_IPV6 && packet->protocol == IPPROTO_ICMPV6) {
		struct ipv6hdr ip;
		struct extension fragment = {};

		if (type >= 128 || bpf_skb_load_bytes(skb, quoted, &ip, sizeof(ip)))
			return false;
		quoted += sizeof(ip);
		if (ip.nexthdr == NEXT_FRAGMENT) {
			if (bpf_skb_load_bytes(skb, quoted, &fragment, sizeof(fragment)))
				return false;
			quoted += sizeof(fragment);
			ip.nexthdr = fragment.next;
		}
		if (ip.nexthdr != IPPROTO_UDP)
			return false;
		collector = is_collector(MIRROR_FAMILY_IPV6, &ip.daddr, sizeof(ip.daddr));
		if (bpf_ntohs(fragment.fragment) & ~7) /* no ports: as in is_own() */
			return collector == MIRROR_DESTINATION;
		return collector && to_tunnel_port(skb, quoted);
	}
	return false;
}

/* The mirror's own packets, VXLAN packets to any session's destination or to this host, whom another
 * host's mirror may have for a collector, and ICMP errors about either. A UDP fragment to a destination
 * whose port is not known counts as one: a copy sent in fragments would be mirrored again without end. */
static __always_inline bool is_own(struct __sk_buff *skb, const struct packet *packet)
{
	enum mirror_collector collector;

	if (packet->protocol == IPPROTO_ICMP || packet->protocol == IPPROTO_ICMPV6)
		return quotes_own(skb, packet);
	if (packet->protocol != IPPROTO_UDP)
		return false;
	if (!packet->ports_unknown &&
	    (!packet->ports_seen || packet->destination_port != tunnel_port))
		return false;
	collector = is_collector(packet->family, packet->destination, sizeof(packet->destination));
	return packet->ports_unknown ? collector == MIRROR_DESTINATION : collector;
}

#endif
