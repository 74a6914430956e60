/* From a copy to a packet of the underlay, on the underlay's own hook: the outer headers are written here,
 * at a fraction of what the kernel's VXLAN transmit costs. */
#ifndef VXTAP_ENCAPSULATE_H
#define VXTAP_ENCAPSULATE_H

#include "bpf/checksum.h"
#include "bpf/copy.h"
#include "bpf/tunnel.h"
#include "bpf/way.h"

/* Of bpf_skb_adjust_room(), since 5.12: the inner packet begins with an Ethernet header. */
#define ADJ_ROOM_ENCAP_L2_ETH (1ULL << 6)
#define MAKE_ROOM                                                                                     \
	(BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 | BPF_F_ADJ_ROOM_ENCAP_L4_UDP |       \
	 BPF_F_ADJ_ROOM_ENCAP_L2(ETH_HLEN) | ADJ_ROOM_ENCAP_L2_ETH)

/* What the kernel's VXLAN device makes of the same hash, RFC 7348 §5: 49152–65535. */
static __always_inline __u16 source_port(__u32 hash)
{
	hash ^= hash << 16;
	return 49152 + (__u16)(((__u64)hash * (65535 - 49152)) >> 32);
}

/* `length`: bytes from the outer IP header to the end. */
static __always_inline void complete_ipv4(struct outer_ipv4 *headers, const struct copy *copy,
					  struct way *way, __u32 length)
{
	/* A super-packet gets its lengths when it is segmented. */
	__u16 total = length <= 65535 ? length : 0;

	*headers = way->headers.ipv4;
	headers->ip.tot_len = bpf_htons(total);
	headers->ip.id = bpf_htons(way->identification++);
	headers->ip.check = ~fold(way->sum + headers->ip.tot_len + headers->ip.id);
	headers->udp.source = bpf_htons(source_port(copy->hash));
	headers->udp.len = bpf_htons(total ? total - sizeof(headers->ip) : 0);
	headers->vxlan.vni = bpf_htonl(copy->vni << 8);
}

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

/* Over IPv6, nothing but the checksum of the whole copy will do, and nothing is left to the hardware. */
static __always_inline long wrap_in_ipv6(struct __sk_buff *skb, const struct copy *copy, const struct way *way)
{
	struct outer_ipv6 headers;
	__u32 length = skb->len + sizeof(headers.udp) + sizeof(headers.vxlan);
	__s64 sum = sum_packet(skb);
	long error = sum < 0 ? sum : bpf_skb_change_head(skb, sizeof(headers), 0);

	if (error)
		return error;
	headers = way->headers.ipv6;
	headers.ip.payload_len = headers.udp.len = bpf_htons(length);
	headers.udp.source = bpf_htons(source_port(copy->hash));
	headers.vxlan.vni = bpf_htonl(copy->vni << 8);
	headers.udp.check = ~fold(fold(sum) + way->sum + 2 * headers.udp.len + headers.udp.source +
				  sum_words(&headers.vxlan.vni, sizeof(headers.vxlan.vni) / 2));
	if (!headers.udp.check) /* that would say that there is none */
		headers.udp.check = 0xffff;
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

	copy->drop = MIRROR_DROP_ERROR;
	if (!way || way->destination_id != copy->destination_id || cut_copy(skb, copy))
		return TC_ACT_SHOT;
	__u32 bytes = skb->len;
	if (!skb->gso_size && bytes > way->room) /* it could not be cut */
		return TC_ACT_SHOT;
	if (wrap(skb, copy, way))
		return bpf_redirect(tunnel_ifindex, 0);
	skb->mark = 0; /* the original's is about the original's route */
	count_sent(copy, skb->gso_size, bytes);
	copy->wrapped = 1;
	copy->drop = MIRROR_DROPS;
	return TC_ACT_UNSPEC;
}

#endif
