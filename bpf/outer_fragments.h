/* From a copy that is too long for the path to fragments of its outer packet, RFC 8200 §4.5: the kernel does not
 * send what a tunnel over IPv6 makes too long.
 *
 * Each fragment but the last is a clone of the whole copy that comes back to the underlay's hook and becomes its
 * part there; the last is the copy itself. */
#ifndef VXTAP_OUTER_FRAGMENTS_H
#define VXTAP_OUTER_FRAGMENTS_H

#include "bpf/checksum.h"
#include "bpf/copy.h"
#include "bpf/outer_headers.h"
#include "bpf/way.h"

#define MAX_PARTS 64 /* of 65,535 bytes, where each carries what the narrowest path of IPv6 takes, is 54 */
#define MORE_FRAGMENTS 1
#define IPV6_MIN_MTU 1280 /* RFC 8200 §5 */

/* In front of the part of the datagram that a fragment carries. */
struct outer_part {
	struct ethhdr ethernet;
	struct ipv6hdr ip;
	struct {
		__u8 next, reserved;
		__be16 offset; /* in bytes, in multiples of 8; the lowest bit: more fragments follow */
		__be32 id;
	} fragment;
} __attribute__((packed));

struct outer_first_part {
	struct outer_part part;
	struct udphdr udp;
	struct vxlan_header vxlan;
} __attribute__((packed));

/* In front of the copy in the UDP datagram. */
#define DATAGRAM_HEADERS (sizeof(struct udphdr) + sizeof(struct vxlan_header))

/* `size`: bytes of the datagram in this part. */
static __always_inline void complete_part(struct outer_part *part, const struct copy *copy,
					  const struct outer_ipv6 *headers, __u32 size, bool last)
{
	part->ethernet = headers->ethernet;
	part->ip = headers->ip;
	part->ip.nexthdr = NEXT_FRAGMENT;
	part->ip.payload_len = bpf_htons(sizeof(part->fragment) + size);
	part->fragment.next = IPPROTO_UDP;
	part->fragment.reserved = 0;
	part->fragment.offset = bpf_htons(copy->part_offset | (last ? 0 : MORE_FRAGMENTS));
	part->fragment.id = copy->part_id;
}

static __always_inline long become_first_part(struct __sk_buff *skb, const struct copy *copy,
					      const struct way *way)
{
	struct outer_first_part first;
	struct outer_ipv6 headers;
	long error;

	complete_ipv6(&headers, copy, way, DATAGRAM_HEADERS + skb->len, copy->sum);
	complete_part(&first.part, copy, &headers, copy->part_size, false);
	first.udp = headers.udp;
	first.vxlan = headers.vxlan;
	/* Short before it grows: what is long already may not grow. */
	error = bpf_skb_change_tail(skb, copy->part_size - DATAGRAM_HEADERS, 0);
	if (!error)
		error = bpf_skb_change_head(skb, sizeof(first), 0);
	return error ? error : bpf_skb_store_bytes(skb, 0, &first, sizeof(first), BPF_F_RECOMPUTE_CSUM);
}

struct moving {
	struct __sk_buff *skb;
	__u8 *chunk;
	__u32 from, to, size; /* bytes */
	long error;
};

/* 1: that was the last. */
static long move_chunk(__u32 index, void *context)
{
	struct moving *moving = context;
	__u32 offset = index * SUM_CHUNK;
	__u64 size = moving->size - offset;

	if (offset >= moving->size)
		return 1;
	if (size > SUM_CHUNK)
		size = SUM_CHUNK;
	barrier_var(size); /* or clang forgets the bound that the verifier has to see */
	if (size == 0 || size > SUM_CHUNK)
		return 1;
	moving->error = bpf_skb_load_bytes(moving->skb, moving->from + offset, moving->chunk, size);
	if (!moving->error)
		moving->error = bpf_skb_store_bytes(moving->skb, moving->to + offset, moving->chunk, size,
						    BPF_F_RECOMPUTE_CSUM);
	return moving->error != 0;
}

/* Moves bytes of the packet towards its head. */
static __always_inline long move(struct __sk_buff *skb, __u32 from, __u32 to, __u32 size)
{
	__u32 zero = 0;
	struct moving moving = {.skb = skb, .chunk = bpf_map_lookup_elem(&chunks, &zero),
				.from = from, .to = to, .size = size};

	if (!moving.chunk)
		return -EINVAL;
	bpf_loop(MAX_CHUNKS, move_chunk, &moving, 0);
	return moving.error;
}

static __always_inline long become_later_part(struct __sk_buff *skb, const struct copy *copy,
					      const struct way *way)
{
	struct outer_part part;
	__u32 from = copy->part_offset - DATAGRAM_HEADERS;
	__u32 rest = skb->len - from;
	bool last = rest <= copy->part_size;
	__u32 size = last ? rest : copy->part_size;
	long error;

	complete_part(&part, copy, &way->headers.ipv6, size, last);
	error = move(skb, from, sizeof(part), size);
	if (!error)
		error = bpf_skb_change_tail(skb, sizeof(part) + size, 0);
	return error ? error : bpf_skb_store_bytes(skb, 0, &part, sizeof(part), BPF_F_RECOMPUTE_CSUM);
}

/* Makes the whole copy the part of it that is due. 0, or there is no sense in the skb any more. Global, as all
 * that few packets need: see parse_extensions(). */
__noinline int become_part(struct __sk_buff *skb)
{
	const struct copy *copy = copy_under_way();
	const struct way *way;

	if (!copy)
		return -EINVAL;
	way = way_of(copy->destination_id);
	if (!way)
		return -EINVAL;
	return copy->part_offset ? become_later_part(skb, copy, way) : become_first_part(skb, copy, way);
}

struct fragmenting {
	struct __sk_buff *skb;
	struct copy *copy;
	long error;
};

/* 1: that was the last that is a clone. */
static long send_part(__u32 index, void *context)
{
	struct fragmenting *fragmenting = context;
	struct __sk_buff *skb = fragmenting->skb;
	struct copy *copy = fragmenting->copy;

	copy->part_offset = index * copy->part_size;
	if (copy->part_offset + copy->part_size >= DATAGRAM_HEADERS + skb->len)
		return 1;
	copy->naked_on = skb->ifindex;
	fragmenting->error = bpf_clone_redirect(skb, skb->ifindex, 0);
	return fragmenting->error != 0;
}

/* All parts are about as long, so that none is shorter than what the kernel would not cut a packet to. */
static __always_inline __u32 part_size(__u32 datagram, __u32 room)
{
	__u32 most = (room + outer_length(true) - (sizeof(struct outer_part) - ETH_HLEN)) & ~7;
	__u32 parts = (datagram + most - 1) / most;

	return ((datagram + parts - 1) / parts + 7) & ~7;
}

/* Sends all fragments but the last, which the skb has yet to become. 0, or the copy is lost, and may say why. */
__noinline int send_first_fragments(struct __sk_buff *skb)
{
	struct copy *copy = copy_under_way();
	struct fragmenting fragmenting = {.skb = skb, .copy = copy};
	const struct way *way;
	__u32 room;
	__s64 sum;

	if (!copy)
		return -EINVAL;
	way = way_of(copy->destination_id);
	if (!way)
		return -EINVAL;
	room = room_of(copy, way);
	sum = sum_packet(skb);
	if (sum < 0 || room < IPV6_MIN_MTU - outer_length(true) || DATAGRAM_HEADERS + skb->len > 0xffff)
		return -EINVAL;
	copy->sum = fold(sum);
	copy->part_id = bpf_get_prandom_u32();
	copy->part_size = part_size(DATAGRAM_HEADERS + skb->len, room);
	copy->wrapped = 1;
	bpf_loop(MAX_PARTS, send_part, &fragmenting, 0);
	if (!fragmenting.error)
		return 0;
	copy->naked_on = 0;
	lose(copy, drop_reason(copy, fragmenting.error));
	return -EINVAL;
}

/* 0, and the skb is the last fragment; or the same. */
static __always_inline long send_fragments(struct __sk_buff *skb, struct copy *copy)
{
	long error = send_first_fragments(skb);

	if (!error)
		error = become_part(skb);
	copy->part_size = 0;
	return error;
}

#endif
