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

#define MAX_TAGS (1 + MAX_VLAN_TAGS) /* that a packet which is mirrored has: the first is held outside the frame */

/* Puts the tag that is held outside the frame where it was on the wire. The kernel takes the next one out of the
 * frame whenever the one outside goes. */
static __always_inline long put_tags_into_frame(struct __sk_buff *skb)
{
	struct {
		__be16 type, tci;
	} tags[MAX_TAGS];
	__u8 stations[2 * ETH_ALEN];
	__u32 count = 0;
	long error;

	for (int i = 0; i < MAX_TAGS && skb->vlan_present; i++) {
		tags[i].type = skb->vlan_proto;
		tags[i].tci = bpf_htons(skb->vlan_tci);
		error = bpf_skb_vlan_pop(skb);
		if (error)
			return error;
		count = i + 1;
	}
	if (skb->vlan_present)
		return -EINVAL;
	error = bpf_skb_change_head(skb, count * sizeof(tags[0]), 0);
	if (!error)
		error = bpf_skb_load_bytes(skb, count * sizeof(tags[0]), stations, sizeof(stations));
	if (!error)
		error = bpf_skb_store_bytes(skb, 0, stations, sizeof(stations), BPF_F_RECOMPUTE_CSUM);
	for (__u32 i = 0; i < MAX_TAGS && i < count && !error; i++)
		error = bpf_skb_store_bytes(skb, sizeof(stations) + i * sizeof(tags[0]), &tags[i],
					    sizeof(tags[0]), BPF_F_RECOMPUTE_CSUM);
	return error;
}

/* What the kernel says of a single packet of an overlay whose checksum was left to the hardware: ENOTSUPP,
 * which is none of user space's errors. It is copied whole. */
#define NOT_SUPPORTED 524

/* Bytes that stay of a packet which is not sent in fragments: the path may take less than when the copy set out. */
static __always_inline __u32 limit_on_path(const struct copy *copy, const struct way *way)
{
	__u32 room = room_of(copy, way);

	return copy->limit && copy->limit < room ? copy->limit : room;
}

/* Cuts the copy to `limit` bytes, or not at all if that is 0; its lengths and checksums stay as they were, so
 * that an analyser sees a snap length. */
static __always_inline long cut_copy(struct __sk_buff *skb, __u32 limit)
{
	__u32 tag = offloaded_tag_length(skb);
	long error;

	if (!limit || skb->len + tag <= limit)
		return 0;
	error = bpf_skb_change_tail(skb, limit - tag, 0);
	return error == -NOT_SUPPORTED ? 0 : error;
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
static __always_inline void count_sent(struct copy *copy, bool super_packet, __u32 bytes, bool cut)
{
	if (super_packet) {
		copy->sent_packets += copy->packets;
		copy->sent_bytes += copy->bytes;
	} else {
		copy->sent_packets++;
		copy->sent_bytes += bytes;
		copy->cut_packets += cut;
	}
}

/* The same of the skb as it is now. */
static __always_inline bool is_still_too_long(struct __sk_buff *skb, const struct copy *copy,
					      const struct way *way)
{
	return is_too_long(copy, way,
			   skb->gso_size ? copy->longest : skb->len + offloaded_tag_length(skb));
}

/* Whether the copy may leave by the kernel's VXLAN transmit, which says nothing of a copy that it cannot
 * send; if not, `copy` says why. */
static __always_inline bool enter_tunnel(struct __sk_buff *skb, struct copy *copy)
{
	const struct way *way = find_way(skb, copy->destination_id, true);
	const struct mirror_destination *destination =
		bpf_map_lookup_elem(&destinations, &copy->destination_id);

	if (!way || !destination)
		goto lost;
	if (way->drop < MIRROR_DROPS) {
		lose(copy, way->drop);
		return false;
	}
	__u32 whole = skb->len;
	__u32 limit = copy->limit;
	if (is_still_too_long(skb, copy, way)) {
		if (copy->finished || !needs_segmenter(skb))
			limit = limit_on_path(copy, way);
		else if (way->ipv6)
			goto lost;
	}
	if (cut_copy(skb, limit) || (way->ipv6 && is_still_too_long(skb, copy, way)) ||
	    set_tunnel(skb, &destination->address, copy->vni))
		goto lost;
	/* After the cut, which forgets the hash. */
	bpf_set_hash(skb, copy->hash);
	/* The original's mark is about the original's route. */
	skb->mark = 0;
	count_sent(copy, skb->gso_size, skb->len + offloaded_tag_length(skb), skb->len < whole);
	return true;
lost:
	lose(copy, MIRROR_DROP_ERROR);
	return false;
}

#endif
