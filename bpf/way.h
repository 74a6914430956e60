/* From a destination to the next hop on the underlay, and to the outer headers that lead there.
 *
 * The kernel's own answer, asked for anew in every jiffy on every CPU: nothing of it can be staler than
 * that, and it needs no daemon that is alive. */
#ifndef VXTAP_WAY_H
#define VXTAP_WAY_H

#include "bpf/maps.h"
#include "bpf/parse.h"

#define IPV4_FAMILY 2  /* AF_INET */
#define IPV6_FAMILY 10 /* AF_INET6 */
#define FIB_LOOKUP_SRC (1U << 4) /* BPF_FIB_LOOKUP_SRC, since 6.7: asks for the source address too */

#define TUNNEL_TTL 64
#define VXLAN_HAS_VNI 0x08
#define AGENT_ALIVE_NS 5000000000ULL

/* RFC 7348. */
struct vxlan_header {
	__u8 flags, reserved[3];
	__be32 vni; /* network order, in the upper 24 bits */
};

/* In front of the inner Ethernet header. */
struct outer_ipv4 {
	struct ethhdr ethernet;
	struct iphdr ip;
	struct udphdr udp;
	struct vxlan_header vxlan;
} __attribute__((packed));

struct outer_ipv6 {
	struct ethhdr ethernet;
	struct ipv6hdr ip;
	struct udphdr udp;
	struct vxlan_header vxlan;
} __attribute__((packed));

union outer_headers {
	struct ethhdr ethernet;
	struct outer_ipv4 ipv4;
	struct outer_ipv6 ipv6;
};

struct way {
	__u64 asked;      /* jiffies */
	__u32 destination_id;
	__u32 generation; /* of ways_generation */
	__u32 underlay;   /* ifindex whose hook writes the outer headers; 0: the kernel's VXLAN transmit */
	__u32 drop;       /* enum mirror_drop: why there is no way; MIRROR_DROPS: there is one */
	__u32 room;       /* bytes of an inner frame that fit into one packet of the path */
	__u32 sum;        /* IPv4: of the IP header, without its length and identification; IPv6: of what the
	                   * UDP checksum covers and is the same for every copy */
	__u16 identification;
	__u16 ipv6;       /* the outer headers are */
	union outer_headers headers; /* what is the same for every copy, if `underlay` */
	struct bpf_fib_lookup query;  /* here, since the stack has no room for it */
};

/* Those last gone, by place_of(destination_id): two destinations that share a place ask in turn. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, PLACES);
	__type(key, __u32);
	__type(value, struct way);
} ways SEC(".maps");

/* Interfaces on which underlay_egress stands, by ifindex. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, __u8);
} underlays SEC(".maps");

/* Counted up when an interface leaves `underlays`: all ways are asked for anew. */
__u32 ways_generation = 0;
/* bpf_ktime_get_ns() when the agent last looked at the links. */
volatile __u64 agent_looked = 0;

static __always_inline void ask(struct bpf_fib_lookup *query, const struct mirror_address *address)
{
	__builtin_memset(query, 0, sizeof(*query));
	query->l4_protocol = IPPROTO_UDP;
	query->tot_len = 1; /* or the answer has the interface's MTU, and not the path's as far as it is known */
	query->ifindex = tunnel_ifindex;
	if (address->family == MIRROR_FAMILY_IPV6) {
		query->family = IPV6_FAMILY;
		__builtin_memcpy(query->ipv6_dst, address->bytes, sizeof(query->ipv6_dst));
	} else {
		query->family = IPV4_FAMILY;
		__builtin_memcpy(&query->ipv4_dst, address->bytes, sizeof(query->ipv4_dst));
	}
}

/* MIRROR_DROPS if there is a way, or if the kernel can't tell. */
static __always_inline __u32 reason_of(long answer, const struct mirror_destination *destination)
{
	switch (answer) {
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

/* The carrier is what only the agent can see; a dead one must not stop a mirror that could go on. */
static __always_inline bool is_link_down(const struct mirror_destination *destination)
{
	return destination->link_down && bpf_ktime_get_ns() - agent_looked < AGENT_ALIVE_NS;
}

static __always_inline __u32 sum_words(const void *data, __u32 words)
{
	const __u16 *word = data;
	__u32 sum = 0;

	for (__u32 i = 0; i < words; i++)
		sum += word[i];
	return sum;
}

static __always_inline __u16 fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

static __always_inline void prepare_ipv4(struct way *way, const struct mirror_address *remote)
{
	struct outer_ipv4 *headers = &way->headers.ipv4;

	*headers = (struct outer_ipv4){
		.ethernet.h_proto = bpf_htons(ETH_P_IP),
		.ip = {.version = 4,
		       .ihl = sizeof(struct iphdr) / 4,
		       .ttl = TUNNEL_TTL,
		       .protocol = IPPROTO_UDP,
		       .saddr = way->query.ipv4_src},
		.udp.dest = bpf_htons(tunnel_port),
		.vxlan.flags = VXLAN_HAS_VNI,
	};
	__builtin_memcpy(&headers->ip.daddr, remote->bytes, sizeof(headers->ip.daddr));
	way->sum = sum_words(&headers->ip, sizeof(headers->ip) / 2);
}

static __always_inline void prepare_ipv6(struct way *way, const struct mirror_address *remote)
{
	struct outer_ipv6 *headers = &way->headers.ipv6;

	*headers = (struct outer_ipv6){
		.ethernet.h_proto = bpf_htons(ETH_P_IPV6),
		.ip = {.version = 6, .nexthdr = IPPROTO_UDP, .hop_limit = TUNNEL_TTL},
		.udp.dest = bpf_htons(tunnel_port),
		.vxlan.flags = VXLAN_HAS_VNI,
	};
	__builtin_memcpy(&headers->ip.saddr, way->query.ipv6_src, sizeof(headers->ip.saddr));
	__builtin_memcpy(&headers->ip.daddr, remote->bytes, sizeof(headers->ip.daddr));
	/* The pseudo-header of RFC 8200 §8.1 without the length, then the headers of UDP and VXLAN. */
	way->sum = sum_words(&headers->ip.saddr, 2 * sizeof(headers->ip.saddr) / 2) +
		   bpf_htons(IPPROTO_UDP) +
		   sum_words(&headers->udp, (sizeof(headers->udp) + sizeof(headers->vxlan)) / 2);
}

/* Bytes that count against the path's MTU. */
static __always_inline __u32 outer_length(bool ipv6)
{
	return (ipv6 ? sizeof(struct outer_ipv6) : sizeof(struct outer_ipv4)) - ETH_HLEN;
}

static __always_inline bool has_source(const struct bpf_fib_lookup *answer, bool ipv6)
{
	const __u32 *source = answer->ipv6_src;

	return ipv6 ? source[0] | source[1] | source[2] | source[3] : answer->ipv4_src;
}

/* Asks the kernel, and writes the answer down. Not inline: it has a caller on each step of a copy. */
static __noinline int look_for_way(struct __sk_buff *skb, struct way *way,
				   const struct mirror_destination *destination)
{
	bool ipv6 = destination->address.family == MIRROR_FAMILY_IPV6;
	struct bpf_fib_lookup *query = &way->query;
	__u32 underlay;
	long answer;

	way->underlay = 0;
	way->drop = MIRROR_DROPS;
	way->ipv6 = ipv6;
	way->room = ~0U;
	if (is_link_down(destination)) {
		way->drop = MIRROR_DROP_LINK_DOWN;
		return 0;
	}
	if (destination->local)
		return 0;
	ask(query, &destination->address);
	answer = bpf_fib_lookup(skb, query, sizeof(*query),
				destination->encapsulate ? FIB_LOOKUP_SRC : 0);
	if (answer == -EINVAL) { /* before 6.7 */
		ask(query, &destination->address);
		answer = bpf_fib_lookup(skb, query, sizeof(*query), 0);
	}
	way->drop = reason_of(answer, destination);
	if (answer != BPF_FIB_LKUP_RET_SUCCESS || query->mtu_result <= outer_length(ipv6))
		return 0;
	way->room = query->mtu_result - outer_length(ipv6);
	if (!destination->encapsulate || !has_source(query, ipv6))
		return 0;
	underlay = query->ifindex;
	if (!bpf_map_lookup_elem(&underlays, &underlay))
		return 0;
	if (ipv6)
		prepare_ipv6(way, &destination->address);
	else
		prepare_ipv4(way, &destination->address);
	__builtin_memcpy(way->headers.ethernet.h_dest, query->dmac, ETH_ALEN);
	__builtin_memcpy(way->headers.ethernet.h_source, query->smac, ETH_ALEN);
	way->underlay = underlay;
	return 0;
}

static __always_inline struct way *way_of(__u32 destination_id)
{
	__u32 place = place_of(destination_id);

	return bpf_map_lookup_elem(&ways, &place);
}

/* NULL if the destination is gone. `fresh`: the answer of this moment, not of this jiffy. */
static __always_inline struct way *find_way(struct __sk_buff *skb, __u32 destination_id, bool fresh)
{
	struct way *way = way_of(destination_id);
	__u64 now = bpf_jiffies64();

	if (!way)
		return NULL;
	if (fresh || way->asked != now || way->generation != ways_generation ||
	    way->destination_id != destination_id) {
		const struct mirror_destination *destination =
			bpf_map_lookup_elem(&destinations, &destination_id);

		if (!destination)
			return NULL;
		way->generation = ways_generation;
		way->destination_id = destination_id;
		way->asked = now;
		look_for_way(skb, way, destination);
	}
	return way;
}

/* Somebody took our program away from there. */
static __always_inline void forget_underlay(__u32 ifindex)
{
	bpf_map_delete_elem(&underlays, &ifindex);
	__sync_fetch_and_add(&ways_generation, 1);
}

#endif
