/* From a copy to a packet of the underlay, on the underlay's own hook: the outer headers are written here,
 * at a fraction of what the kernel's VXLAN transmit costs. */
#ifndef VXTAP_ENCAPSULATE_H
#define VXTAP_ENCAPSULATE_H

#include "bpf/checksum.h"
#include "bpf/copy.h"
#include "bpf/outer_fragments.h"
#include "bpf/outer_headers.h"
#include "bpf/tunnel.h"
#include "bpf/way.h"

/* Of bpf_skb_adjust_room(), since 5.12: the inner packet begins with an Ethernet header. */
#define ADJ_ROOM_ENCAP_L2_ETH (1ULL << 6)
#define MAKE_ROOM                                                                                     \
	(BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 | BPF_F_ADJ_ROOM_ENCAP_L4_UDP |       \
	 BPF_F_ADJ_ROOM_ENCAP_L2(ETH_HLEN) | ADJ_ROOM_ENCAP_L2_ETH)

struct wrapping {
	struct outer_ipv4 outer;
	struct ethhdr inner;
} __attribute__((packed));

/* 0, or the packet is what it was. */
static __always_inline long wrap_in_ipv4(struct __sk_buff *skb, const struct copy *copy, struct way *way)
{
	struct wrapping headers;
	__u32 size = sizeof(headers.outer);
	long error;

	if (!skb->gso_size && (copy->finished || is_finished(skb))) {
		error = bpf_skb_change_head(skb, sizeof(headers.outer), 0);
	} else {
		/* The kernel is told where the inner headers are: it will segment, or finish a checksum.
		 * It leaves the inner Ethernet header in front of the room. */
		size = sizeof(headers);
		error = bpf_skb_load_bytes(skb, 0, &headers.inner, sizeof(headers.inner));
		if (!error)
			error = bpf_skb_adjust_room(skb, sizeof(headers.outer), BPF_ADJ_ROOM_MAC,
						    MAKE_ROOM);
	}
	if (error)
		return error;
	complete_ipv4(&headers.outer, copy, way, skb->len - ETH_HLEN);
	/* Within reach, since the room has just been made: this can't fail. */
	if (size == sizeof(headers))
		return bpf_skb_store_bytes(skb, 0, &headers, sizeof(headers), BPF_F_RECOMPUTE_CSUM);
	return bpf_skb_store_bytes(skb, 0, &headers.outer, sizeof(headers.outer), BPF_F_RECOMPUTE_CSUM);
}

/* 0, or the packet is what it was. */
static __always_inline long wrap_in_ipv6(struct __sk_buff *skb, const struct copy *copy, const struct way *way)
{
	struct outer_ipv6 headers;
	__u32 length = skb->len + sizeof(headers.udp) + sizeof(headers.vxlan);
	__s64 sum = sum_packet(skb);
	long error = sum < 0 ? sum : bpf_skb_change_head(skb, sizeof(headers), 0);

	if (error)
		return error;
	complete_ipv6(&headers, copy, way, length, fold(sum));
	return bpf_skb_store_bytes(skb, 0, &headers, sizeof(headers), BPF_F_RECOMPUTE_CSUM);
}

/* 0, or the packet is what it was. */
static __always_inline long wrap(struct __sk_buff *skb, const struct copy *copy, struct way *way)
{
	return way->ipv6 ? wrap_in_ipv6(skb, copy, way) : wrap_in_ipv4(skb, copy, way);
}

/* What becomes of the copy: TC_ACT_…. What can't be wrapped here goes to the tunnel device. */
static __always_inline int encapsulate(struct __sk_buff *skb, struct copy *copy)
{
	struct way *way = way_of(copy->destination_id);
	bool fits;

	if (!way || way->destination_id != copy->destination_id ||
	    (skb->vlan_present && put_tags_into_frame(skb)))
		goto lost;
	__u32 whole = skb->len;
	__u32 limit = skb->gso_size || copy->fragments ? copy->limit : limit_on_path(copy, way);
	if (cut_copy(skb, limit))
		goto lost;
	__u32 bytes = skb->len;
	fits = skb->gso_size || bytes <= room_of(copy, way);
	/* It could not be cut. From the segmenter, one device more would be one too many for the kernel's VXLAN
	 * transmit, which bounds how deep tunnels nest. */
	if (!fits && copy->finished && limit && bytes > limit)
		goto lost;
	skb->mark = 0; /* the original's is about the original's route */
	if (!fits && way->ipv6) {
		if (send_fragments(skb, copy))
			goto lost;
	} else if (!fits || wrap(skb, copy, way)) {
		return bpf_redirect(tunnel_ifindex, 0);
	}
	count_sent(copy, skb->gso_size, bytes, bytes < whole);
	copy->wrapped = 1;
	return TC_ACT_UNSPEC;
lost:
	lose(copy, MIRROR_DROP_ERROR);
	return TC_ACT_SHOT;
}

#endif
