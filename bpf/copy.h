/* From a decision to a copy on its way to the tunnel, and its accounts.
 *
 * A copy reaches the underlay within the one call that clones the packet, on one CPU: no queue lies
 * between. So the programs on its way find in a per-CPU entry what the first one knows, and leave there
 * what became of the copy; copies of one flow keep their order; and what is lost is known at once. */
#ifndef VXTAP_COPY_H
#define VXTAP_COPY_H

#include <linux/errno.h>
#include <linux/pkt_cls.h>

#include "bpf/maps.h"
#include "bpf/wire.h"

struct copy {
	__u32 active;         /* there is one: whatever else happens on this CPU is caused by it */
	__u32 limit;          /* bytes of a wire packet that stay, from the Ethernet header on; 0: all */
	__u32 vni;
	__u32 hash;           /* of the inner flow: the outer source port comes from it */
	__u32 destination_id; /* keys destinations */
	__u32 packets, bytes; /* of the original, on the wire */
	/* What has entered the tunnel: wire packets, their bytes, and how many of them were cut. */
	__u32 sent_packets, sent_bytes, cut_packets;
	__u32 drop;           /* enum mirror_drop: why something has not; MIRROR_DROPS: not said */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct copy);
} copies SEC(".maps");

/* The copy under way on this CPU, or NULL. */
static __always_inline struct copy *copy_under_way(void)
{
	__u32 zero = 0;
	struct copy *copy = bpf_map_lookup_elem(&copies, &zero);

	return copy && copy->active ? copy : NULL;
}

/* How many bytes of each wire packet stay, or 0 if none needs a cut. */
static __always_inline __u32 cut_at(const struct mirror_attachment *attachment,
				    const struct wire *wire)
{
	__u32 limit = attachment->frame_limit;

	if (attachment->packet_length) {
		__u32 length = wire->network_offset + attachment->packet_length;

		if (!limit || length < limit)
			limit = length;
	}
	return limit < wire->longest ? limit : 0;
}

/* Whether the packet must become wire packets with finished checksums before it is cut: a super-packet
 * that is cut as a whole would lose all of its segments but the first ones, and a checksum that is left
 * to the hardware would be made of what is left. The kernel tells programs of the other two states of a
 * checksum only. */
static __always_inline bool needs_segmenter(struct __sk_buff *skb)
{
	if (skb->gso_size)
		return true;
	return bpf_csum_level(skb, BPF_CSUM_LEVEL_QUERY) < 0 && /* not CHECKSUM_UNNECESSARY */
	       bpf_csum_update(skb, 0) < 0;                     /* not CHECKSUM_COMPLETE */
}

static __always_inline __u32 copy_device(struct __sk_buff *skb, __u32 limit)
{
	return limit && needs_segmenter(skb) ? segmenter_ifindex : tunnel_ifindex;
}

#define NET_XMIT_CN 2

static __always_inline enum mirror_drop drop_reason(long error)
{
	switch (error) {
	case 0: /* lost between two devices of the mirror */
	case -EINVAL: /* no such device */
	case -ENETDOWN:
	case NET_XMIT_CN: /* the tunnel device has no queue but while it goes down, and that takes nothing */
		return MIRROR_DROP_NO_DEVICE;
	case -ENOMEM:
		return MIRROR_DROP_NO_MEMORY;
	default:
		return MIRROR_DROP_ERROR;
	}
}

/* Matched is mirrored and dropped, whatever happened. */
static __always_inline void account(struct mirror_counters *counters, const struct copy *copy,
				    long error)
{
	__u32 reason = copy->drop;

	if (reason >= MIRROR_DROPS)
		reason = drop_reason(error);
	counters->matched_packets += copy->packets;
	counters->matched_bytes += copy->bytes;
	if (error) {
		counters->dropped_packets[reason] += copy->packets;
		return;
	}
	counters->mirrored_packets += copy->sent_packets;
	counters->mirrored_bytes += copy->sent_bytes;
	counters->truncated_packets += copy->cut_packets;
	if (copy->sent_packets < copy->packets)
		counters->dropped_packets[reason] += copy->packets - copy->sent_packets;
}

static __always_inline void send_copy(struct __sk_buff *skb,
				      const struct mirror_attachment *attachment,
				      enum mirror_direction direction, const struct wire *wire,
				      __u32 hash)
{
	struct mirror_counter_key key = {attachment->counter_id, direction};
	struct mirror_counters *counters = bpf_map_lookup_elem(&mirror_counters, &key);
	__u32 zero = 0;
	struct copy *copy = bpf_map_lookup_elem(&copies, &zero);
	__u32 limit = cut_at(attachment, wire);
	long error;

	if (!counters || !copy)
		return;
	*copy = (struct copy){
		.active = 1,
		.limit = limit,
		.vni = attachment->vni,
		.hash = hash,
		.destination_id = attachment->destination_id,
		.packets = wire->packets,
		.bytes = wire->bytes,
		.drop = MIRROR_DROPS,
	};
	error = bpf_clone_redirect(
		skb, attachment->no_ethernet ? framer_ifindex : copy_device(skb, limit), 0);
	copy->active = 0;
	account(counters, copy, error);
}

#endif
