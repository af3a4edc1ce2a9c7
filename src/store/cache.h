/* SPDX-License-Identifier: Apache-2.0 */
/* Decompressed blocks, shared and counted, within a budget. Any thread. */
#ifndef STOA_STORE_CACHE_H
#define STOA_STORE_CACHE_H

#include "store/frame.h"

struct cache;

struct cache *cache_new(uint64_t bytes_max);
/* Blocks still held elsewhere live on until they are dropped. */
void cache_free(struct cache *c);
/* A number for a part's blocks, never given twice. */
uint64_t cache_owner(struct cache *c);

/* The block with a reference for the caller, or NULL. */
struct block *cache_get(struct cache *c, uint64_t owner, uint64_t offset);
/* Takes bytes (from mem_alloc). Gives a block with one reference for the caller; the cache keeps another one while the
 * budget allows. When somebody else was faster, theirs is given. */
struct block *cache_put(struct cache *c, uint64_t owner, uint64_t offset, void *bytes, size_t len);
/* Takes bytes (from mem_alloc); the block, with one reference, is in no cache. */
struct block *block_alone(void *bytes, size_t len);
uint64_t cache_bytes(struct cache *c);

/* A decompressor for one call; contexts are kept for the next one. */
struct frame_coder *cache_coder_take(struct cache *c);
void cache_coder_give(struct cache *c, struct frame_coder *coder);

#endif
