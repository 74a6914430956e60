/* From a copy to its outer headers. */
#ifndef VXTAP_TUNNEL_H
#define VXTAP_TUNNEL_H

#include "bpf/copy.h"

#define TUNNEL_TTL 64
#define IPV4_FAMILY 2  /* AF_INET */
#define IPV6_FAMILY 10 /* AF_INET6 */

/* Gives a packet without an Ethernet header one that names no station. */
static __always_inline long add_ethernet(struct __sk_buff *skb)
{
	struct ethhdr ethernet = {.h_proto = skb->protocol};
	long error = bpf_skb_change_head(skb, sizeof(ethernet), 0);

	return error ? error : bpf_skb_store_bytes(skb, 0, &ethernet, sizeof(ethernet), 0);
}

/* Cuts the copy, whose lengths and checksums stay as they were, so that an analyser sees a snap length. */
static __always_inline long cut_copy(struct __sk_buff *skb, struct copy *copy)
{
	__u32 tag = offloaded_tag_length(skb);
	long error;

	if (!copy->limit || skb->len + tag <= copy->limit)
		return 0;
	error = bpf_skb_change_tail(skb, copy->limit - tag, 0);
	if (!error)
		copy->cut_packets++;
	return error;
}

/* The kernel's VXLAN transmit says nothing of a copy that it cannot send. So its questions are asked
 * here: MIRROR_DROPS if there is a way. The answers are those of this moment; where the kernel cannot
 * tell, the copy is sent. */
static __always_inline enum mirror_drop no_way(struct __sk_buff *skb,
					       const struct mirror_destination *destination)
{
	struct bpf_fib_lookup query = {.l4_protocol = IPPROTO_UDP, .ifindex = tunnel_ifindex};

	if (destination->link_down)
		return MIRROR_DROP_LINK_DOWN;
	if (destination->local)
		return MIRROR_DROPS;
	if (destination->address.family == MIRROR_FAMILY_IPV6) {
		query.family = IPV6_FAMILY;
		__builtin_memcpy(query.ipv6_dst, destination->address.bytes, sizeof(query.ipv6_dst));
	} else {
		query.family = IPV4_FAMILY;
		__builtin_memcpy(&query.ipv4_dst, destination->address.bytes, sizeof(query.ipv4_dst));
	}
	switch (bpf_fib_lookup(skb, &query, sizeof(query), 0)) {
	case BPF_FIB_LKUP_RET_BLACKHOLE:
	case BPF_FIB_LKUP_RET_UNREACHABLE:
	case BPF_FIB_LKUP_RET_PROHIBIT:
	case BPF_FIB_LKUP_RET_NOT_FWDED:
		return MIRROR_DROP_NO_ROUTE;
	case BPF_FIB_LKUP_RET_NO_NEIGH:
		return destination->no_neighbours ? MIRROR_DROPS : MIRROR_DROP_NO_NEIGHBOUR;
	default:
		return MIRROR_DROPS;
	}
}

static __always_inline long set_tunnel(struct __sk_buff *skb, const struct mirror_address *remote,
				       __u32 vni)
{
	struct bpf_tunnel_key key = {.tunnel_id = vni, .tunnel_ttl = TUNNEL_TTL};

	if (remote->family == MIRROR_FAMILY_IPV6) {
		__builtin_memcpy(key.remote_ipv6, remote->bytes, sizeof(key.remote_ipv6));
		return bpf_skb_set_tunnel_key(skb, &key, sizeof(key), BPF_F_TUNINFO_IPV6);
	}
	__be32 address;
	__builtin_memcpy(&address, remote->bytes, sizeof(address));
	key.remote_ipv4 = bpf_ntohl(address); /* the helper takes host order */
	return bpf_skb_set_tunnel_key(skb, &key, sizeof(key), BPF_F_ZERO_CSUM_TX);
}

static __always_inline void count_sent(const struct __sk_buff *skb, struct copy *copy)
{
	if (skb->gso_size) {
		copy->sent_packets += copy->packets;
		copy->sent_bytes += copy->bytes;
	} else {
		copy->sent_packets++;
		copy->sent_bytes += skb->len + offloaded_tag_length(skb);
	}
}

/* Whether the copy may leave; if not, `copy` says why. */
static __always_inline bool enter_tunnel(struct __sk_buff *skb, struct copy *copy)
{
	const struct mirror_destination *destination =
		bpf_map_lookup_elem(&destinations, &copy->destination_id);

	copy->drop = MIRROR_DROP_ERROR;
	if (!destination)
		return false;
	__u32 reason = no_way(skb, destination);
	if (reason != MIRROR_DROPS) {
		copy->drop = reason;
		return false;
	}
	if (cut_copy(skb, copy) || set_tunnel(skb, &destination->address, copy->vni))
		return false;
	/* After the cut, which forgets the hash. */
	bpf_set_hash(skb, copy->hash);
	/* The original's mark is about the original's route. */
	skb->mark = 0;
	count_sent(skb, copy);
	copy->drop = MIRROR_DROPS;
	return true;
}

#endif
