/* From a copy to its outer headers. */
#ifndef VXTAP_TUNNEL_H
#define VXTAP_TUNNEL_H

#include "bpf/copy.h"

#define TUNNEL_TTL 64
#define VNI_MASK 0xffffff

/* A segment of a super-packet on the far end of the segmenter. */
static __always_inline void send_segment(struct __sk_buff *skb)
{
	struct mirror_counter_key key = {skb->cb[COPY_COUNTER], skb->cb[COPY_VNI] >> 24};
	struct mirror_counters *counters = bpf_map_lookup_elem(&mirror_counters, &key);
	__u32 length = skb->len + offloaded_tag_length(skb);
	__u32 limit = copy_limit(skb);
	bool cut = limit && limit < length;

	if (counters)
		send_to_tunnel(skb, counters, 1, cut ? limit : length, cut);
}

/* Cuts the copy, whose lengths and checksums stay as they were, so that an analyser sees a snap
 * length. */
static __always_inline long cut_copy(struct __sk_buff *skb)
{
	__u32 limit = copy_limit(skb);
	__u32 tag = offloaded_tag_length(skb);

	if (!limit || skb->len + tag <= limit)
		return 0;
	return bpf_skb_change_tail(skb, limit - tag, 0);
}

static __always_inline long set_tunnel(struct __sk_buff *skb,
				       const struct mirror_destination *destination, __u32 vni)
{
	struct bpf_tunnel_key key = {.tunnel_id = vni, .tunnel_ttl = TUNNEL_TTL};

	if (destination->family == MIRROR_FAMILY_IPV6) {
		__builtin_memcpy(key.remote_ipv6, destination->address, sizeof(key.remote_ipv6));
		return bpf_skb_set_tunnel_key(skb, &key, sizeof(key), BPF_F_TUNINFO_IPV6);
	}
	__be32 address;
	__builtin_memcpy(&address, destination->address, sizeof(address));
	key.remote_ipv4 = bpf_ntohl(address); /* the helper takes host order */
	return bpf_skb_set_tunnel_key(skb, &key, sizeof(key), BPF_F_ZERO_CSUM_TX);
}

/* 0, or an error: then the copy must not leave. */
static __always_inline long enter_tunnel(struct __sk_buff *skb)
{
	__u32 vni = skb->cb[COPY_VNI] & VNI_MASK;
	__u32 id = skb->cb[COPY_DESTINATION];
	__u32 hash = skb->cb[COPY_HASH];
	const struct mirror_destination *destination = bpf_map_lookup_elem(&destinations, &id);

	if (!destination || cut_copy(skb))
		return -1;
	/* After the cut, which forgets the hash. */
	bpf_set_hash(skb, hash);
	return set_tunnel(skb, destination, vni);
}

#endif
