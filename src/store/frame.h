/* SPDX-License-Identifier: Apache-2.0 */
/* The frame around every block of a part: lengths, codec, checksum, bytes. docs/formats/block.md. */
#ifndef STOA_STORE_FRAME_H
#define STOA_STORE_FRAME_H

#include "store/crypt.h"
#include "store/part.h"

enum {
    FRAME_HEADER_BYTES = 24,
    FRAME_FLAG_ENCRYPTED = 1, /* a 16-byte tag follows the bytes */
    FRAME_ZSTD_LEVEL = 1
};

enum block_type { BLOCK_DATA = 1, BLOCK_META = 2, BLOCK_FOOTER = 3 }; /* numbers are final */

/* Compression contexts, reused from block to block. One thread at a time. */
struct frame_coder;
struct frame_coder *frame_coder_new(void);
void frame_coder_free(struct frame_coder *c); /* accepts NULL */

/* What a part's checksums start from: a block of another part, or of another place in this one, does not check. */
uint64_t frame_seed(const uint8_t uuid[16]);

/* Appends the frame of raw to out; offset is where it will stand in the part. Borrows raw. key NULL, or without a crypt: not
 * encrypted. ST_LIMIT: raw over bytes_max. */
MUST_CHECK enum status frame_write(struct frame_coder *c, const struct crypt_key *key, struct buf *out, uint64_t seed,
                                   uint64_t offset, enum block_type type,
                                   enum part_codec codec, struct slice raw, size_t bytes_max, struct err *err);

struct frame {
    enum part_codec codec;
    struct slice stored; /* within what frame_check was given */
    size_t raw_bytes;
    bool is_encrypted;
    uint16_t key_slot;
    struct slice header; /* what the tag covers besides the bytes */
    const char *tag;
};
/* Checks a whole frame. ST_CORRUPT says what does not check (without naming the part). */
MUST_CHECK enum status frame_check(struct slice bytes, uint64_t seed, uint64_t offset, enum block_type type, size_t raw_bytes_max,
                                   struct frame *out, struct err *err);
/* The stored bytes of an encrypted frame into to, which has room for as many; then *f speaks of them. ST_CORRUPT: they are not what was
 * written. */
MUST_CHECK enum status frame_decrypt(struct frame *f, const struct crypt_key *key, uint64_t offset, char *to, struct err *err);
/* Decompresses into to, which has room for f->raw_bytes. */
MUST_CHECK enum status frame_unpack(struct frame_coder *c, const struct frame *f, void *to, struct err *err);

#endif
