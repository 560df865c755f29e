/*
 * libpmem and libpmemobj behind plain functions: each runs its operation `times` times through the library's public
 * interface, so that a call from Rust costs nothing per operation. Ranges are spread as in benches/src/bench.rs.
 */
#include <libpmem.h>
#include <libpmemobj.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define APART 256
#define VALUE_MAX (1 << 20)
/* What bulk copies are spread over, behind the area; as REGION_BYTES in benches/src/regions.rs. */
#define COPY_BYTES (64 << 20)

struct peer {
	PMEMobjpool *pool;
	char *area;
	uint64_t area_bytes;
	uint64_t at;
	uint64_t copy_at;
	PMEMoid *objects;
	uint64_t objects_max;
	char value[VALUE_MAX];
	char target[VALUE_MAX];
};

static void refuse(const char *what)
{
	fprintf(stderr, "libpmemobj: %s: %s\n", what, pmemobj_errormsg());
	abort();
}

/* The first of `count` ranges of `len` bytes. */
static char *next_ranges(struct peer *peer, uint64_t count, uint64_t len, uint64_t *stride)
{
	*stride = (len + APART - 1) / APART * APART;
	if (peer->at + *stride * count > peer->area_bytes)
		peer->at = 0;
	char *first = peer->area + peer->at;
	peer->at += *stride * count;
	return first;
}

struct peer *everline_pmdk_open(const char *path, uint64_t bytes, uint64_t area_bytes, uint64_t objects_max)
{
	struct peer *peer = calloc(1, sizeof(*peer));
	if (!peer)
		return NULL;
	peer->pool = pmemobj_create(path, "everline-bench", bytes, 0600);
	if (!peer->pool) {
		fprintf(stderr, "libpmemobj: create %s: %s\n", path, pmemobj_errormsg());
		free(peer);
		return NULL;
	}
	PMEMoid root = pmemobj_root(peer->pool, area_bytes + COPY_BYTES);
	if (OID_IS_NULL(root))
		refuse("root");
	peer->area = pmemobj_direct(root);
	peer->area_bytes = area_bytes;
	peer->objects_max = objects_max;
	peer->objects = calloc(objects_max, sizeof(PMEMoid));
	if (!peer->objects)
		refuse("memory");
	memset(peer->value, 0x5a, sizeof(peer->value));
	pmemobj_memset_persist(peer->pool, peer->area, 0, area_bytes + COPY_BYTES);
	return peer;
}

void everline_pmdk_close(struct peer *peer)
{
	pmemobj_close(peer->pool);
	free(peer->objects);
	free(peer);
}

void everline_pmdk_empty(struct peer *peer, uint64_t times)
{
	for (volatile uint64_t i = 0; i < times; i++) {
		TX_BEGIN(peer->pool) {
		} TX_ONABORT {
			refuse("empty transaction");
		} TX_END
	}
}

void everline_pmdk_ranges(struct peer *peer, uint64_t times, uint64_t count, uint64_t len)
{
	for (volatile uint64_t i = 0; i < times; i++) {
		uint64_t stride;
		char *first = next_ranges(peer, count, len, &stride);
		TX_BEGIN(peer->pool) {
			for (uint64_t k = 0; k < count; k++)
				pmemobj_tx_add_range_direct(first + k * stride, len);
			for (uint64_t k = 0; k < count; k++)
				memcpy(first + k * stride, peer->value, len);
		} TX_ONABORT {
			refuse("transaction");
		} TX_END
	}
}

void everline_pmdk_abort(struct peer *peer, uint64_t times, uint64_t count, uint64_t len)
{
	for (volatile uint64_t i = 0; i < times; i++) {
		uint64_t stride;
		char *first = next_ranges(peer, count, len, &stride);
		TX_BEGIN(peer->pool) {
			for (uint64_t k = 0; k < count; k++)
				pmemobj_tx_add_range_direct(first + k * stride, len);
			for (uint64_t k = 0; k < count; k++)
				memcpy(first + k * stride, peer->value, len);
			pmemobj_tx_abort(0);
		} TX_END
	}
}

/* `count` objects of 64 bytes a transaction; with `link` each is filled and linked from the area. */
void everline_pmdk_alloc(struct peer *peer, uint64_t times, uint64_t count, int link)
{
	if (times * count > peer->objects_max)
		refuse("more objects than places to keep them");
	for (volatile uint64_t i = 0; i < times; i++) {
		TX_BEGIN(peer->pool) {
			for (uint64_t k = 0; k < count; k++) {
				PMEMoid object = pmemobj_tx_alloc(64, 1);
				peer->objects[i * count + k] = object;
				if (link) {
					uint64_t stride;
					char *word = next_ranges(peer, 1, 8, &stride);
					memcpy(pmemobj_direct(object), peer->value, 64);
					pmemobj_tx_add_range_direct(word, 8);
					memcpy(word, &object.off, 8);
				}
			}
		} TX_ONABORT {
			refuse("allocation");
		} TX_END
	}
}

void everline_pmdk_free(struct peer *peer, uint64_t objects)
{
	for (uint64_t i = 0; i < objects; i++)
		pmemobj_free(&peer->objects[i]);
}

void everline_pmdk_persist(struct peer *peer, uint64_t times, uint64_t len)
{
	for (volatile uint64_t i = 0; i < times; i++) {
		uint64_t stride;
		char *first = next_ranges(peer, 1, len, &stride);
		memcpy(first, peer->value, len);
		pmem_persist(first, len);
	}
}

/* The next `len` bytes for a bulk copy. */
static char *next_copy(struct peer *peer, uint64_t len)
{
	uint64_t stride = (len + APART - 1) / APART * APART;
	if (peer->copy_at + stride > COPY_BYTES)
		peer->copy_at = 0;
	char *first = peer->area + peer->area_bytes + peer->copy_at;
	peer->copy_at += stride;
	return first;
}

void everline_pmdk_memcpy_persist(struct peer *peer, uint64_t times, uint64_t len)
{
	for (volatile uint64_t i = 0; i < times; i++)
		pmem_memcpy_persist(next_copy(peer, len), peer->value, len);
}

void everline_pmdk_memcpy(struct peer *peer, uint64_t times, uint64_t len)
{
	for (volatile uint64_t i = 0; i < times; i++) {
		memcpy(peer->target, next_copy(peer, len), len);
		__asm__ volatile("" : : "r"(peer->target) : "memory");
	}
}

/* 0, or what was refused. */
int everline_pmdk_create(const char *path, uint64_t bytes)
{
	PMEMobjpool *pool = pmemobj_create(path, "everline-bench", bytes, 0600);
	if (!pool)
		return 1;
	pmemobj_close(pool);
	return unlink(path);
}
