/* What is different in the outer headers of each copy. */
#ifndef VXTAP_OUTER_HEADERS_H
#define VXTAP_OUTER_HEADERS_H

#include "bpf/copy.h"
#include "bpf/way.h"

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

/* `length`: bytes of the UDP datagram; `sum`: of the copy, folded. */
static __always_inline void complete_ipv6(struct outer_ipv6 *headers, const struct copy *copy,
					  const struct way *way, __u32 length, __u32 sum)
{
	*headers = way->headers.ipv6;
	headers->ip.payload_len = headers->udp.len = bpf_htons(length);
	headers->udp.source = bpf_htons(source_port(copy->hash));
	headers->vxlan.vni = bpf_htonl(copy->vni << 8);
	headers->udp.check = ~fold(sum + way->sum + 2 * headers->udp.len + headers->udp.source +
				   sum_words(&headers->vxlan.vni, sizeof(headers->vxlan.vni) / 2));
	if (!headers->udp.check) /* that would say that there is none */
		headers->udp.check = 0xffff;
}

#endif
