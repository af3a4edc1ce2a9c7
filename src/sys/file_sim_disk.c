/* SPDX-License-Identifier: Apache-2.0 */
/* The imitated disk: each file and folder is a node with two states, what memory says and what is durable, and the ordered
 * changes that lead from the second to the first.
 *
 * (1) A file's sync moves its own writes to the durable side, and nothing else: not its entry in a folder.
 * (2) A folder's sync makes durable every change of entries that touches it. A change drags along the earlier ones that
 *     touch the same entry, so the durable side never shows an order of events that did not happen to one name.
 * (3) A rename is one change with two sides: both become durable, or neither.
 * (4) At a power cut each write and change that is left is kept or lost by itself, as by a disk that reorders; writes may
 *     also be torn or garbled. A lost write below a kept one reads as zeros.
 * (5) What a failed sync covered is marked lost and stays so: a later sync succeeds and leaves zeros there, as Linux does,
 *     which marks such pages clean.
 *
 * Nodes are counted references, and also in a list, so that the whole disk can be freed whatever points where. */
#include "sys/file_sim_disk.h"

enum { SECTOR_BYTES = 512, LIST_FIRST = 8 };

static const int64_t first_mtime_ns = 1600000000 * NS_S;

/* ---- Entries ---- */

static struct slice own(struct slice s)
{
    char *copy = mem_alloc(s.len);
    memcpy(copy, s.ptr, s.len);
    return slice_of(copy, s.len);
}

static void disown(struct slice s)
{
    mem_free((char *)s.ptr);
}

/* The place of name, or where it would stand. */
static size_t entries_place(const struct disk_entries *e, struct slice name, bool *there)
{
    size_t low = 0, high = e->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (slice_cmp(e->list[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *there = low < e->count && slice_eq(e->list[low].name, name);
    return low;
}

static void entries_set(struct disk *d, struct disk_entries *e, struct slice name, struct disk_node *node)
{
    bool there;
    size_t at = entries_place(e, name, &there);
    disk_node_ref(node);
    if (there) {
        struct disk_node *old = e->list[at].node;
        e->list[at].node = node;
        disk_node_unref(d, old);
        return;
    }
    if (e->count == e->cap) {
        e->cap = e->cap ? e->cap * 2 : LIST_FIRST;
        e->list = mem_realloc(e->list, e->cap * sizeof *e->list);
    }
    memmove(e->list + at + 1, e->list + at, (e->count - at) * sizeof *e->list);
    e->list[at] = (struct disk_entry){ own(name), node };
    e->count++;
}

static void entries_clear(struct disk *d, struct disk_entries *e, struct slice name)
{
    bool there;
    size_t at = entries_place(e, name, &there);
    if (!there)
        return;
    struct disk_entry gone = e->list[at];
    memmove(e->list + at, e->list + at + 1, (e->count - at - 1) * sizeof *e->list);
    e->count--;
    disown(gone.name);
    disk_node_unref(d, gone.node);
}

static void entries_drop_all(struct disk *d, struct disk_entries *e)
{
    struct disk_entries old = *e;
    *e = (struct disk_entries){ NULL, 0, 0 };
    for (size_t i = 0; i < old.count; i++) {
        disown(old.list[i].name);
        if (d)
            disk_node_unref(d, old.list[i].node);
    }
    mem_free(old.list);
}

static void entries_copy(struct disk *d, struct disk_entries *to, const struct disk_entries *from)
{
    entries_drop_all(d, to);
    for (size_t i = 0; i < from->count; i++)
        entries_set(d, to, from->list[i].name, from->list[i].node);
}

struct disk_node *disk_find(const struct disk_node *dir, struct slice name)
{
    bool there;
    size_t at = entries_place(&dir->entries, name, &there);
    return there ? dir->entries.list[at].node : NULL;
}

/* ---- Nodes ---- */

static int64_t tick(struct disk *d)
{
    return first_mtime_ns + (int64_t)d->ticks++ * NS_MS;
}

struct disk_node *disk_node_new(struct disk *d, bool is_dir)
{
    struct disk_node *n = mem_new(struct disk_node);
    n->is_dir = is_dir;
    n->inode = ++d->inodes;
    n->mtime_ns = tick(d);
    buf_init(&n->now, 0);
    buf_init(&n->durable, 0);
    n->next = d->all;
    if (d->all)
        d->all->prev = n;
    d->all = n;
    return n;
}

static void writes_drop(struct disk_node *n)
{
    for (size_t i = 0; i < n->write_count; i++)
        mem_free(n->writes[i].bytes);
    n->write_count = 0;
}

/* Without d the references that the node holds are left alone: everything is being freed. */
static void node_free(struct disk *d, struct disk_node *n)
{
    entries_drop_all(d, &n->entries);
    entries_drop_all(d, &n->durable_entries);
    writes_drop(n);
    mem_free(n->writes);
    buf_free(&n->now);
    buf_free(&n->durable);
    mem_free(n);
}

void disk_node_ref(struct disk_node *n)
{
    n->refs++;
}

void disk_node_unref(struct disk *d, struct disk_node *n)
{
    assert(n->refs > 0);
    if (--n->refs > 0)
        return;
    if (n->prev)
        n->prev->next = n->next;
    else
        d->all = n->next;
    if (n->next)
        n->next->prev = n->prev;
    node_free(d, n);
}

void disk_init(struct disk *d)
{
    *d = (struct disk){ .root = NULL };
    d->root = disk_node_new(d, true);
    d->root->linked = true;
    disk_node_ref(d->root);
}

static void change_names_free(const struct disk_change *c)
{
    disown(c->from_name);
    disown(c->to_name);
}

void disk_free(struct disk *d)
{
    for (size_t i = 0; i < d->change_count; i++)
        change_names_free(&d->changes[i]);
    mem_free(d->changes);
    while (d->all) {
        struct disk_node *n = d->all;
        d->all = n->next;
        node_free(NULL, n);
    }
}

/* ---- Changes of entries ---- */

static void change_ref(struct disk_node *n)
{
    if (n)
        disk_node_ref(n);
}

static void change_unref(struct disk *d, struct disk_node *n)
{
    if (n)
        disk_node_unref(d, n);
}

static void change_free(struct disk *d, const struct disk_change *c)
{
    change_names_free(c);
    change_unref(d, c->from_dir);
    change_unref(d, c->to_dir);
    change_unref(d, c->node);
}

static void apply_durable(struct disk *d, const struct disk_change *c)
{
    if (c->from_dir)
        entries_clear(d, &c->from_dir->durable_entries, c->from_name);
    if (c->to_dir)
        entries_set(d, &c->to_dir->durable_entries, c->to_name, c->node);
}

static void mark_linked(struct disk *d, struct disk_node *n, bool linked)
{
    if (n->linked == linked)
        return;
    n->linked = linked;
    if (linked)
        d->live_bytes += n->now.len;
    else
        d->live_bytes -= n->now.len;
}

static void apply_now(struct disk *d, const struct disk_change *c)
{
    if (c->to_dir) {
        struct disk_node *replaced = disk_find(c->to_dir, c->to_name);
        if (replaced)
            mark_linked(d, replaced, false);
        mark_linked(d, c->node, true);
        entries_set(d, &c->to_dir->entries, c->to_name, c->node);
        c->to_dir->mtime_ns = tick(d);
    } else {
        mark_linked(d, c->node, false);
    }
    if (c->from_dir) {
        entries_clear(d, &c->from_dir->entries, c->from_name);
        c->from_dir->mtime_ns = tick(d);
    }
}

void disk_change(struct disk *d, struct disk_node *from_dir, struct slice from_name, struct disk_node *to_dir,
                 struct slice to_name, struct disk_node *node)
{
    if (d->change_count == d->change_cap) {
        d->change_cap = d->change_cap ? d->change_cap * 2 : LIST_FIRST;
        d->changes = mem_realloc(d->changes, d->change_cap * sizeof *d->changes);
    }
    struct disk_change *c = &d->changes[d->change_count++];
    *c = (struct disk_change){ from_dir, to_dir, node, own(from_name), own(to_name), false, false };
    change_ref(from_dir);
    change_ref(to_dir);
    change_ref(node);
    apply_now(d, c);
}

static bool same_entry(const struct disk_node *a_dir, struct slice a, const struct disk_node *b_dir, struct slice b)
{
    return a_dir && a_dir == b_dir && slice_eq(a, b);
}

static bool depends_on(const struct disk_change *later, const struct disk_change *earlier)
{
    /* A moved folder needs the whole history: in another order a folder could come to stand inside itself. */
    if (later->from_dir && later->to_dir && later->node->is_dir)
        return true;
    return same_entry(later->from_dir, later->from_name, earlier->from_dir, earlier->from_name) ||
           same_entry(later->from_dir, later->from_name, earlier->to_dir, earlier->to_name) ||
           same_entry(later->to_dir, later->to_name, earlier->from_dir, earlier->from_name) ||
           same_entry(later->to_dir, later->to_name, earlier->to_dir, earlier->to_name);
}

/* Makes durable what is marked keep and what that depends on (2); leaves the others in the list, in order. */
static void settle_kept(struct disk *d)
{
    for (size_t i = d->change_count; i-- > 0;)
        for (size_t j = 0; d->changes[i].keep && j < i; j++)
            if (!d->changes[j].lost && depends_on(&d->changes[i], &d->changes[j]))
                d->changes[j].keep = true;
    size_t left = 0;
    for (size_t i = 0; i < d->change_count; i++) {
        struct disk_change c = d->changes[i];
        if (!c.keep) {
            d->changes[left++] = c;
            continue;
        }
        apply_durable(d, &c);
        change_free(d, &c);
    }
    d->change_count = left;
}

void disk_sync_dir(struct disk *d, struct disk_node *dir)
{
    for (size_t i = 0; i < d->change_count; i++) {
        struct disk_change *c = &d->changes[i];
        c->keep = !c->lost && (c->from_dir == dir || c->to_dir == dir);
    }
    settle_kept(d);
}

void disk_lose_dir(struct disk *d, struct disk_node *dir)
{
    for (size_t i = 0; i < d->change_count; i++)
        if (d->changes[i].from_dir == dir || d->changes[i].to_dir == dir)
            d->changes[i].lost = true;
}

/* ---- Bytes ---- */

static struct disk_write *write_new(struct disk *d, struct disk_node *file)
{
    if (file->write_count == file->write_cap) {
        file->write_cap = file->write_cap ? file->write_cap * 2 : LIST_FIRST;
        file->writes = mem_realloc(file->writes, file->write_cap * sizeof *file->writes);
    }
    file->mtime_ns = tick(d);
    struct disk_write *w = &file->writes[file->write_count++];
    *w = (struct disk_write){ .bytes = NULL };
    return w;
}

void disk_append(struct disk *d, struct disk_node *file, const void *bytes, size_t n)
{
    if (n == 0)
        return;
    struct disk_write *w = write_new(d, file);
    w->offset = file->now.len;
    w->bytes = mem_alloc(n);
    w->n = n;
    memcpy(w->bytes, bytes, n);
    buf_put(&file->now, bytes, n);
    if (file->linked)
        d->live_bytes += n;
}

static void set_size(struct buf *b, uint64_t size)
{
    if (size > b->len) {
        size_t more = (size_t)size - b->len;
        memset(buf_room(b, more), 0, more);
    }
    b->len = (size_t)size;
}

void disk_truncate(struct disk *d, struct disk_node *file, uint64_t size)
{
    struct disk_write *w = write_new(d, file);
    w->is_truncate = true;
    w->offset = size;
    if (file->linked)
        d->live_bytes = d->live_bytes - file->now.len + size;
    set_size(&file->now, size);
}

static void put_at(struct buf *b, uint64_t offset, const char *bytes, size_t n)
{
    if (b->len < offset + n)
        set_size(b, offset + n);
    if (n)
        memcpy(b->ptr + offset, bytes, n);
}

static void apply_write(struct buf *durable, const struct disk_write *w)
{
    if (w->is_truncate)
        set_size(durable, w->offset);
    else
        put_at(durable, w->offset, w->bytes, w->n);
}

void disk_sync_file(struct disk_node *file)
{
    for (size_t i = 0; i < file->write_count; i++) {
        struct disk_write *w = &file->writes[i];
        if (w->lost && !w->is_truncate)
            memset(w->bytes, 0, w->n); /* (5) */
        apply_write(&file->durable, w);
    }
    writes_drop(file);
}

void disk_lose_file(struct disk_node *file)
{
    for (size_t i = 0; i < file->write_count; i++)
        file->writes[i].lost = true;
}

void disk_flip(struct disk_node *file, uint64_t offset, uint8_t bits)
{
    file->now.ptr[offset] ^= (char)bits;
    if (offset < file->durable.len)
        file->durable.ptr[offset] ^= (char)bits;
    for (size_t i = 0; i < file->write_count; i++) {
        struct disk_write *w = &file->writes[i];
        if (!w->is_truncate && offset >= w->offset && offset - w->offset < w->n)
            w->bytes[offset - w->offset] ^= (char)bits;
    }
}

/* ---- The power cut ---- */

/* Spoils some of the bytes: bits flipped, the tail zeroed (its blocks were given out but not written), or one sector gone. */
static void garble(struct disk_write *w, struct rand *rand)
{
    size_t at = (size_t)rand_below(rand, w->n);
    switch (rand_below(rand, 3)) {
    case 0:
        w->bytes[at] ^= (char)(1 + rand_below(rand, 255));
        break;
    case 1:
        memset(w->bytes + at, 0, w->n - at);
        break;
    case 2:
        at -= MIN(at, (w->offset + at) % SECTOR_BYTES);
        rand_bytes(rand, w->bytes + at, MIN(w->n - at, (size_t)SECTOR_BYTES));
        break;
    }
}

/* Half of the files (and folders) meet one fate as a whole, as most real cuts do; else each change meets its own. */
enum fate { FATE_ALL, FATE_NONE, FATE_EACH };

static enum fate draw_fate(struct rand *rand)
{
    uint64_t v = rand_below(rand, 4);
    return v == 0 ? FATE_ALL : v == 1 ? FATE_NONE : FATE_EACH;
}

static void settle_write(struct disk_node *file, struct disk_write *w, struct rand *rand)
{
    switch (rand_below(rand, 4)) {
    case 0:
        return;
    case 1:
        break;
    case 2:
        if (!w->is_truncate)
            w->n = (size_t)rand_below(rand, w->n);
        break;
    case 3:
        if (!w->is_truncate)
            garble(w, rand);
        break;
    }
    apply_write(&file->durable, w);
}

static void settle_file(struct disk_node *file, struct rand *rand)
{
    if (file->write_count == 0)
        return;
    enum fate fate = draw_fate(rand);
    for (size_t i = 0; i < file->write_count; i++) {
        struct disk_write *w = &file->writes[i];
        if (w->lost || fate == FATE_NONE)
            continue;
        if (fate == FATE_ALL)
            apply_write(&file->durable, w);
        else
            settle_write(file, w, rand);
    }
}

static void settle_entries(struct disk *d, struct rand *rand)
{
    enum fate fate = draw_fate(rand);
    for (size_t i = 0; i < d->change_count; i++) {
        bool keep = fate == FATE_ALL || (fate == FATE_EACH && rand_one_in(rand, 2));
        d->changes[i].keep = keep && !d->changes[i].lost;
    }
    settle_kept(d);
}

static void changes_drop(struct disk *d)
{
    for (size_t i = 0; i < d->change_count; i++)
        change_free(d, &d->changes[i]);
    d->change_count = 0;
}

/* By inode, so that a seed means the same whatever order nodes came to stand in the list. */
static size_t hold_all(struct disk *d, struct disk_node ***out)
{
    size_t count = 0, i = 0;
    for (struct disk_node *n = d->all; n; n = n->next)
        count++;
    *out = mem_alloc(count * sizeof(struct disk_node *));
    /* New nodes go to the front: the list runs from the newest to the oldest. */
    for (struct disk_node *n = d->all; n; n = n->next) {
        (*out)[count - 1 - i++] = n;
        disk_node_ref(n);
    }
    return count;
}

static void link_tree(struct disk *d, struct disk_node *n)
{
    mark_linked(d, n, true);
    for (size_t i = 0; i < n->entries.count; i++)
        link_tree(d, n->entries.list[i].node);
}

void disk_cut(struct disk *d, enum fs_sim_loss how, struct rand *rand)
{
    if (how == LOSE_NONE)
        return;
    struct disk_node **nodes;
    size_t count = hold_all(d, &nodes);
    for (size_t i = 0; i < count; i++)
        mark_linked(d, nodes[i], false);
    if (how == LOSE_RANDOM) {
        for (size_t i = 0; i < count; i++)
            settle_file(nodes[i], rand);
        settle_entries(d, rand);
    }
    changes_drop(d);
    for (size_t i = 0; i < count; i++) {
        struct disk_node *n = nodes[i];
        writes_drop(n);
        buf_reset(&n->now);
        buf_put(&n->now, n->durable.ptr, n->durable.len);
        entries_copy(d, &n->entries, &n->durable_entries);
    }
    link_tree(d, d->root);
    for (size_t i = 0; i < count; i++)
        disk_node_unref(d, nodes[i]);
    mem_free(nodes);
}
