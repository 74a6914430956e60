/* The types that the kernel side and the agent share, and nothing else.
 *
 * Byte order is the host's unless a field says "network order". Every struct is padded by hand, so
 * that a map key never holds an undefined byte, and its size is asserted on both sides. */
#ifndef VXTAP_MIRROR_ABI_H
#define VXTAP_MIRROR_ABI_H

#include <linux/types.h>

#ifdef __cplusplus
#define MIRROR_ASSERT_SIZE(type, size) static_assert(sizeof(struct type) == (size))
#else
#define MIRROR_ASSERT_SIZE(type, size) _Static_assert(sizeof(struct type) == (size), #type)
#endif

/* Seen from the source interface: inbound is what it receives, outbound what it sends. */
enum mirror_direction { MIRROR_INBOUND = 0, MIRROR_OUTBOUND = 1, MIRROR_DIRECTIONS = 2 };

enum mirror_policy { MIRROR_IGNORE = 0, MIRROR_COLLECT = 1 };

/* Why a matched packet has no copy. */
enum mirror_drop {
	MIRROR_DROP_NO_DEVICE = 0,    /* a device of the mirror is gone or down */
	MIRROR_DROP_NO_MEMORY = 1,    /* the kernel could not allocate the clone */
	MIRROR_DROP_NO_ROUTE = 2,     /* to the collector */
	MIRROR_DROP_NO_NEIGHBOUR = 3, /* the next hop's link-layer address is not known */
	MIRROR_DROP_LINK_DOWN = 4,    /* the underlay has no carrier */
	MIRROR_DROP_QUEUE = 5,        /* the underlay's queue is full */
	MIRROR_DROP_ERROR = 6,        /* any other error of the clone, the cut or the tunnel */
	MIRROR_DROPS = 7
};

/* Key of the configuration: the sessions of one source interface, by ascending priority. */
struct mirror_slot {
	__u32 ifindex;
	__u32 position; /* 0, 1, 2, … without gaps */
};
MIRROR_ASSERT_SIZE(mirror_slot, 8);

/* Which configuration is running, for what is remembered of it. */
struct mirror_edition {
	__u64 current; /* never given again; 0: it is being replaced, nothing may be remembered */
	__u64 last;
};
MIRROR_ASSERT_SIZE(mirror_edition, 16);

/* One session on one source interface: everything that a packet needs to know of it. */
struct mirror_attachment {
	__u32 session_id;     /* keys mirror_rule_counter_key */
	__u32 source_id;      /* keys source_counters */
	__u32 counter_id;     /* of (session, source): keys mirror_counter_key */
	__u32 destination_id; /* keys destinations */
	__u32 vni;            /* 0–16777215 */
	__u32 packet_length;  /* bytes of a copy from the IP header on; 0: no limit */
	__u32 frame_limit;    /* bytes of a copy, from the Ethernet header on, that the path takes; 0: not known */
	__u32 rule_table[MIRROR_DIRECTIONS];
	__u32 rule_count[MIRROR_DIRECTIONS];
	__u8 fall_through; /* after a match here, later sessions are tried all the same */
	__u8 last;         /* no slot follows */
	__u8 no_ethernet;  /* the source's packets begin with their IP header */
	__u8 flip;         /* 1: inbound and outbound are as the other end of the cable sees them; or 0 */
	__u8 fragments;    /* what the path does not take is sent in fragments, where that can be, and not cut */
	__u8 pad[3];
};
MIRROR_ASSERT_SIZE(mirror_attachment, 52);

#define MIRROR_FAMILY_ANY 0
#define MIRROR_FAMILY_IPV4 4
#define MIRROR_FAMILY_IPV6 6

/* One rule. IPv4 addresses stand in the first word, the others are zero. The rules of a table are
 * in ascending order of priority; the first that matches decides. */
struct mirror_rule {
	__be32 source[4], source_mask[4];           /* network order */
	__be32 destination[4], destination_mask[4]; /* network order */
	__u16 source_port_first, source_port_last;
	__u16 destination_port_first, destination_port_last;
	__u32 rule_id; /* mirror_rule_id() */
	__u8 family;   /* MIRROR_FAMILY_… */
	__u8 protocol; /* IP protocol number, only looked at if match_protocol */
	__u8 match_protocol;
	__u8 match_ports; /* does not match a packet whose ports cannot be seen */
	__u8 policy;      /* enum mirror_policy */
	__u8 pad[3];
};
MIRROR_ASSERT_SIZE(mirror_rule, 84);

/* The words of a packet's header that decision trees look at, in host order. */
enum mirror_header_word {
	MIRROR_WORD_SOURCE = 0,      /* and the three after it */
	MIRROR_WORD_DESTINATION = 4, /* and the three after it */
	MIRROR_WORD_SOURCE_PORT = 8,
	MIRROR_WORD_DESTINATION_PORT = 9,
	MIRROR_WORD_PROTOCOL = 10,
	MIRROR_WORD_FAMILY = 11,
	MIRROR_HEADER_WORDS = 12
};

enum mirror_node_kind {
	MIRROR_NODE_NONE = 0,      /* no rule of this tree matches */
	MIRROR_NODE_CUT = 1,       /* some bits of a word say which of the nodes from `target` on is next */
	MIRROR_NODE_JUMP = 2,      /* to node `target` */
	MIRROR_NODE_RULE = 3,      /* rule `target` may match; if it does not, go to the node behind */
	MIRROR_NODE_LAST_RULE = 4, /* the same, but nothing is behind */
	MIRROR_NODE_END = 5,       /* no rule of this tree matches, and no tree follows; also behind the roots */
	MIRROR_NODE_FINAL_RULE = 6 /* rule `target` may match; nothing is behind, and no tree follows */
};

struct mirror_node {
	__u32 target;
	__u8 kind;              /* enum mirror_node_kind */
	__u8 word, shift, bits; /* of a cut: (word >> shift) % 2^bits */
};
MIRROR_ASSERT_SIZE(mirror_node, 8);

/* A rule table: all its rules, then the nodes of its trees, first their roots. Two cache lines. */
#define MIRROR_CELL_NODES 16
union mirror_cell {
	struct mirror_rule rule;
	struct mirror_node nodes[MIRROR_CELL_NODES];
};

struct mirror_address {
	__u8 bytes[16]; /* network order; IPv4 in the first four bytes, the others zero */
	__u8 family;    /* MIRROR_FAMILY_IPV4 or MIRROR_FAMILY_IPV6 */
	__u8 pad[3];
};
MIRROR_ASSERT_SIZE(mirror_address, 20);

/* Who copies to an address are for. */
enum mirror_collector {
	MIRROR_NO_COLLECTOR = 0,
	MIRROR_DESTINATION = 1, /* a session's destination */
	MIRROR_THIS_HOST = 2    /* an address of this host, which may be another mirror's destination */
};

/* Where copies go. An id never changes its address, so that a copy under way cannot be misled. */
struct mirror_destination {
	struct mirror_address address;
	__u8 local;          /* an address of this host: no way to look for */
	__u8 no_neighbours;  /* the underlay has no link-layer addresses to be resolved */
	__u8 link_down;      /* the underlay has no carrier */
	__u8 encapsulate;    /* the programs may write the outer headers themselves */
};
MIRROR_ASSERT_SIZE(mirror_destination, 24);

struct mirror_counter_key {
	__u32 counter_id;
	__u32 direction; /* enum mirror_direction */
};
MIRROR_ASSERT_SIZE(mirror_counter_key, 8);

/* With this bit, the number in a counter's key is that of an entry that no program writes: what was
 * counted by programs of another layout. Structs of counters only ever grow at their end. */
#define MIRROR_CARRIED 0x80000000U

/* Packets are wire packets; bytes are wire bytes with the Ethernet header and without FCS. */
struct mirror_counters {
	__u64 matched_packets, matched_bytes;
	__u64 mirrored_packets, mirrored_bytes; /* inner bytes handed to the tunnel */
	__u64 truncated_packets;
	__u64 dropped_packets[MIRROR_DROPS];
};
MIRROR_ASSERT_SIZE(mirror_counters, 96);

struct mirror_rule_counter_key {
	__u32 session_id;
	__u32 rule_id;
};
MIRROR_ASSERT_SIZE(mirror_rule_counter_key, 8);

struct mirror_rule_counters {
	__u64 packets, bytes;
};
MIRROR_ASSERT_SIZE(mirror_rule_counters, 16);

struct mirror_source_counters {
	__u64 seen_packets, skipped_packets, own_packets;
	__u64 undecided_packets; /* later fragments whose first was not seen, where ports matter */
};
MIRROR_ASSERT_SIZE(mirror_source_counters, 32);

/* What the programs found out about a packet that they were only asked about: see explain.h. */
struct mirror_explanation {
	struct mirror_source_counters counters; /* all zero: the interface is not a source */
	__be32 source[4], destination[4];       /* network order; IPv4 in the first word */
	__u32 network_offset;                   /* bytes to the IP header */
	__u32 sessions;                         /* how many were tried */
	__u16 source_port, destination_port;
	__u8 family, protocol, ports_seen;
	__u8 ports_unknown, protocol_unknown; /* a later fragment whose first was not seen */
	__u8 pad[3];
};
MIRROR_ASSERT_SIZE(mirror_explanation, 88);

struct mirror_explained_session {
	__u32 session_id;
	__u32 rule_id; /* only if found */
	__u8 found;    /* a rule matched */
	__u8 policy;   /* its enum mirror_policy */
	__u8 doubtful; /* it depends on ports that were not seen; then not found */
	__u8 pad;
};
MIRROR_ASSERT_SIZE(mirror_explained_session, 12);
#define MIRROR_EXPLAIN_KEY_WORDS 5
#define MIRROR_MAX_EXPLAINED 4096

/* Priorities are unique per direction of a filter and stay below 2^25. */
static inline __u32 mirror_rule_id(__u32 direction, __u32 priority)
{
	return direction << 31 | priority;
}

#endif
