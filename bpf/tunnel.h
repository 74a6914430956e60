/* What is done to a copy on its way, and what the kernel's VXLAN transmit must be told of it. */
#ifndef VXTAP_TUNNEL_H
#define VXTAP_TUNNEL_H

#include "bpf/copy.h"

/* Gives a packet without an Ethernet header one that names no station. */
static __always_inline long add_ethernet(struct __sk_buff *skb)
{
	struct ethhdr ethernet = {.h_proto = skb->protocol};
	long error = bpf_skb_change_head(skb, sizeof(ethernet), 0);

	return error ? error : bpf_skb_store_bytes(skb, 0, &ethernet, sizeof(ethernet), 0);
}

/* What the kernel says of a single packet of an overlay whose checksum was left to the hardware: ENOTSUPP,
 * which is none of user space's errors. It is copied whole. */
#define NOT_SUPPORTED 524

/* Cuts the copy, whose lengths and checksums stay as they were, so that an analyser sees a snap length. */
static __always_inline long cut_copy(struct __sk_buff *skb, struct copy *copy)
{
	__u32 tag = offloaded_tag_length(skb);
	long error;

	if (!copy->limit || skb->len + tag <= copy->limit)
		return 0;
	error = bpf_skb_change_tail(skb, copy->limit - tag, 0);
	if (error == -NOT_SUPPORTED)
		return 0;
	if (!error)
		copy->cut_packets++;
	return error;
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

/* `bytes`: the length of the skb without outer headers. */
static __always_inline void count_sent(struct copy *copy, bool super_packet, __u32 bytes)
{
	if (super_packet) {
		copy->sent_packets += copy->packets;
		copy->sent_bytes += copy->bytes;
	} else {
		copy->sent_packets++;
		copy->sent_bytes += bytes;
	}
}

/* Whether the copy may leave by the kernel's VXLAN transmit, which says nothing of a copy that it cannot
 * send; if not, `copy` says why. */
static __always_inline bool enter_tunnel(struct __sk_buff *skb, struct copy *copy)
{
	const struct way *way = find_way(skb, copy->destination_id, true);
	const struct mirror_destination *destination =
		bpf_map_lookup_elem(&destinations, &copy->destination_id);

	copy->drop = MIRROR_DROP_ERROR;
	if (!way || !destination)
		return false;
	if (way->drop < MIRROR_DROPS) {
		copy->drop = way->drop;
		return false;
	}
	if (cut_copy(skb, copy) || set_tunnel(skb, &destination->address, copy->vni))
		return false;
	/* After the cut, which forgets the hash. */
	bpf_set_hash(skb, copy->hash);
	/* The original's mark is about the original's route. */
	skb->mark = 0;
	count_sent(copy, skb->gso_size, skb->len + offloaded_tag_length(skb));
	copy->drop = MIRROR_DROPS;
	return true;
}

#endif
