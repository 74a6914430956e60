/* The maps, and the variables that the agent sets. */
#ifndef VXTAP_MAPS_H
#define VXTAP_MAPS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "bpf/mirror_abi.h"

/* Bounds of the maps that grow with the configuration. */
#define MAX_SLOTS 65536
#define MAX_RULE_TABLES 16384
#define MAX_COUNTERS 131072
#define MAX_RULE_COUNTERS 1048576

/* Of what each CPU remembers. */
#define PLACES 256

/* Spread evenly, where numbers come in steps of 2 or 4. */
static __always_inline __u32 place_of(__u32 number)
{
	return number * 0x9e3779b1 >> 24;
}

/* UDP port of the tunnel, host order. */
const volatile __u16 tunnel_port = 4789;

/* Where struct sk_buff keeps ip_summed, which programs are not shown: see is_finished(). Byte 0: not known. */
const volatile __u32 ip_summed_byte = 0;
const volatile __u32 ip_summed_shift = 0;

/* Not constant: a device that was deleted by hand comes back under another ifindex. */
volatile __u32 tunnel_ifindex = 0;
volatile __u32 segmenter_ifindex = 0;
volatile __u32 framer_ifindex = 0;

/* While programs of a predecessor of another layout are at work beside these, with maps of their own. */
volatile __u32 handing_over = 0;

/* The running configuration: writing entry 0 switches to another one between two packets. The inner
 * map is filled before it is published and never changed afterwards. */
struct slot_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_SLOTS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	/* By size: clang leaves the types of an inner map undefined in BTF. */
	__uint(key_size, sizeof(struct mirror_slot));
	__uint(value_size, sizeof(struct mirror_attachment));
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct slot_map);
} configurations SEC(".maps");

/* The agent writes straight into it: current goes to 0 before a configuration is published, and on to the next
 * number when no packet sees the old one any more. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct mirror_edition);
} editions SEC(".maps");

/* Rule tables, by the number that an attachment carries. A number that the running configuration
 * uses is never rewritten. */
struct rule_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_INNER_MAP); /* tables differ in length */
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(union mirror_cell));
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, MAX_RULE_TABLES);
	__type(key, __u32);
	__array(values, struct rule_map);
} rule_tables SEC(".maps");

/* The numbers of rule_tables that are in use, for a successor of the agent; no program reads it. What an
 * array of maps holds, the kernel tells CAP_SYS_ADMIN only. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_RULE_TABLES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, __u8);
} taken_tables SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_SLOTS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32); /* destination_id */
	__type(value, struct mirror_destination);
} destinations SEC(".maps");

/* Addresses that copies go to: of all destinations, and of this host, which may be one of another
 * host's mirror. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_SLOTS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct mirror_address);
	__type(value, __u8); /* enum mirror_collector */
} collectors SEC(".maps");

/* Filled by the agent before a configuration that needs the entry is published. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, MAX_SLOTS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32); /* source_id */
	__type(value, struct mirror_source_counters);
} source_counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, MAX_COUNTERS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct mirror_counter_key);
	__type(value, struct mirror_counters);
} mirror_counters SEC(".maps");

/* Filled by the first packet that a rule matches: most rules of a large filter never match. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, MAX_RULE_COUNTERS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct mirror_rule_counter_key);
	__type(value, struct mirror_rule_counters);
} rule_counters SEC(".maps");

#endif
