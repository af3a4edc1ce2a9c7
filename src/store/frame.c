/* SPDX-License-Identifier: Apache-2.0 */
/* Block frames.
 *
 *     u32 stored length | u32 raw length | u8 codec | u8 flags | u16 key slot | u8 block type, u24 zero | u64 checksum | bytes
 *
 * (1) The checksum is XXH3 of the stored bytes, seeded with XXH3 of the 16 header bytes before it, which in turn is seeded
 *     with the part's uuid and the frame's offset: no byte of a frame, and no frame in a wrong place, goes unnoticed.
 * (2) It is checked before a length or the compressed bytes are believed, so a decompressor sees only what we wrote.
 * (3) A codec that gains under 3 % is not worth the time to undo it: the block is kept raw.
 * (4) Encryption comes after compression, and the checksum after encryption: damage is found without the key. The nonce is the
 *     frame's offset, under a key that is the part's own. */
#include "store/frame.h"

#include <lz4.h>
#include <zstd.h>

#include "base/hash.h"

enum { FRAME_CHECKED_HEADER_BYTES = 16, GAIN_DIVISOR = 33 };

struct frame_coder {
    ZSTD_CCtx *pack;
    ZSTD_DCtx *unpack;
};

struct frame_coder *frame_coder_new(void)
{
    return mem_new(struct frame_coder);
}

void frame_coder_free(struct frame_coder *c)
{
    if (c == NULL)
        return;
    ZSTD_freeCCtx(c->pack);
    ZSTD_freeDCtx(c->unpack);
    mem_free(c);
}

uint64_t frame_seed(const uint8_t uuid[16])
{
    return hash64(slice_of(uuid, 16), 0);
}

static uint64_t checksum(const char *header, struct slice stored, uint64_t seed, uint64_t offset)
{
    return hash64(stored, hash64(slice_of(header, FRAME_CHECKED_HEADER_BYTES), seed ^ hash_u64(offset + 1)));
}

static void put_le(char *to, uint64_t v, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        to[i] = (char)(v >> (8 * i));
}

/* The bytes of raw in codec, or 0 when they are not worth it. to has room bytes. */
static size_t pack(struct frame_coder *c, enum part_codec codec, struct slice raw, char *to, size_t room)
{
    size_t n = 0;
    if (codec == CODEC_ZSTD) {
        if (c->pack == NULL)
            c->pack = ZSTD_createCCtx();
        n = ZSTD_compressCCtx(c->pack, to, room, raw.ptr, raw.len, FRAME_ZSTD_LEVEL);
        if (ZSTD_isError(n))
            return 0;
    } else if (codec == CODEC_LZ4) {
        int packed = LZ4_compress_default(raw.ptr, to, (int)raw.len, (int)room);
        n = packed > 0 ? (size_t)packed : 0;
    }
    return n + raw.len / GAIN_DIVISOR < raw.len ? n : 0;
}

enum status frame_write(struct frame_coder *c, const struct crypt_key *key, struct buf *out, uint64_t seed, uint64_t offset, enum block_type type,
                        enum part_codec codec, struct slice raw, size_t bytes_max, struct err *err)
{
    if (raw.len > bytes_max)
        return err_set(err, ST_LIMIT, "block of %zu bytes, at most %zu are allowed", raw.len, bytes_max);
    size_t room = codec == CODEC_RAW ? raw.len : MAX(raw.len, ZSTD_compressBound(raw.len));
    bool encrypt = key && key->crypt;
    char *at = buf_room(out, FRAME_HEADER_BYTES + room + CRYPT_TAG_BYTES);
    if (at == NULL)
        return err_set(err, ST_LIMIT, "part would be over %zu bytes", out->max);
    size_t stored = codec == CODEC_RAW || raw.len == 0 ? 0 : pack(c, codec, raw, at + FRAME_HEADER_BYTES, room);
    if (stored == 0) {
        codec = CODEC_RAW;
        stored = raw.len;
        if (raw.len)
            memcpy(at + FRAME_HEADER_BYTES, raw.ptr, raw.len);
    }
    put_le(at, stored, 4);
    put_le(at + 4, raw.len, 4);
    put_le(at + 8, codec, 1);
    put_le(at + 9, encrypt ? FRAME_FLAG_ENCRYPTED : 0, 1);
    put_le(at + 10, encrypt ? key->slot : 0, 2);
    put_le(at + 12, type, 4);
    if (encrypt)
        crypt_seal(key, offset, slice_of(at, FRAME_CHECKED_HEADER_BYTES), at + FRAME_HEADER_BYTES, stored, at + FRAME_HEADER_BYTES + stored);
    put_le(at + 16, checksum(at, slice_of(at + FRAME_HEADER_BYTES, stored), seed, offset), 8);
    buf_added(out, FRAME_HEADER_BYTES + stored + (encrypt ? CRYPT_TAG_BYTES : 0));
    return ST_OK;
}

enum status frame_check(struct slice bytes, uint64_t seed, uint64_t offset, enum block_type type, size_t raw_bytes_max,
                        struct frame *out, struct err *err)
{
    if (bytes.len < FRAME_HEADER_BYTES)
        return err_set(err, ST_CORRUPT, "%zu bytes are too few for a frame", bytes.len);
    struct reader r = reader_of(bytes);
    uint32_t stored = read_u32(&r), raw = read_u32(&r);
    uint8_t codec = read_u8(&r), flags = read_u8(&r);
    uint16_t key_slot = read_u16(&r);
    uint32_t found_type = read_u32(&r);
    uint64_t want = read_u64(&r);
    bool is_encrypted = flags & FRAME_FLAG_ENCRYPTED;
    size_t tag = is_encrypted ? CRYPT_TAG_BYTES : 0;
    if (bytes.len < FRAME_HEADER_BYTES + tag || stored != bytes.len - FRAME_HEADER_BYTES - tag)
        return err_set(err, ST_CORRUPT, "frame says %u stored bytes, its place has %zu", stored,
                       bytes.len - FRAME_HEADER_BYTES);
    struct slice body = slice_sub(bytes, FRAME_HEADER_BYTES, FRAME_HEADER_BYTES + stored);
    uint64_t found = checksum(bytes.ptr, body, seed, offset);
    if (found != want)
        return err_set(err, ST_CORRUPT, "checksum is %016llx, the frame says %016llx", (unsigned long long)found,
                       (unsigned long long)want);
    if ((flags & ~FRAME_FLAG_ENCRYPTED) != 0 || (key_slot != 0) != is_encrypted || codec > CODEC_LZ4)
        return err_set(err, ST_UNSUPPORTED, "codec %u, flags %u, key slot %u are of a newer version", codec, flags, key_slot);
    if (found_type != type)
        return err_set(err, ST_CORRUPT, "block is of type %u, expected %d", found_type, (int)type);
    if (raw > raw_bytes_max)
        return err_set(err, ST_CORRUPT, "block of %u bytes, at most %zu are allowed", raw, raw_bytes_max);
    *out = (struct frame){ codec, body, raw, is_encrypted, key_slot, slice_sub(bytes, 0, FRAME_CHECKED_HEADER_BYTES), body.ptr + body.len };
    return ST_OK;
}

enum status frame_decrypt(struct frame *f, const struct crypt_key *key, uint64_t offset, char *to, struct err *err)
{
    if (!crypt_unseal(key, offset, f->header, f->stored, f->tag, to))
        return err_set(err, ST_CORRUPT, "does not decrypt: it was changed");
    f->stored.ptr = to;
    f->is_encrypted = false;
    return ST_OK;
}

enum status frame_unpack(struct frame_coder *c, const struct frame *f, void *to, struct err *err)
{
    size_t got = 0;
    switch (f->codec) {
    case CODEC_RAW:
        got = f->stored.len;
        if (got == f->raw_bytes && got > 0)
            memcpy(to, f->stored.ptr, got);
        break;
    case CODEC_ZSTD:
        if (c->unpack == NULL)
            c->unpack = ZSTD_createDCtx();
        got = ZSTD_decompressDCtx(c->unpack, to, f->raw_bytes, f->stored.ptr, f->stored.len);
        break;
    case CODEC_LZ4: {
        int n = LZ4_decompress_safe(f->stored.ptr, to, (int)f->stored.len, (int)f->raw_bytes);
        got = n < 0 ? SIZE_MAX : (size_t)n;
        break;
    }
    }
    if (got != f->raw_bytes)
        return err_set(err, ST_CORRUPT, "block does not unpack to the %zu bytes its frame says", f->raw_bytes);
    return ST_OK;
}
