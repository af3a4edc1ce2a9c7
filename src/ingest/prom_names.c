/* SPDX-License-Identifier: Apache-2.0 */
/* A metric's name is words: runs of letters and digits (and ':'), joined by one '_'. Behind them comes the unit's word and
 * what it is counted per, unless a word of the name says so already, and then the kind's suffix, which a name never has twice. */
#include "ingest/prom_names.h"

enum { WORDS_MAX = 64, UNIT_WORDS_MAX = 6 };

struct unit_word {
    struct slice unit, word;
};

static const struct unit_word main_units[] = {
    { SLICE_INIT("d"), SLICE_INIT("days") },         { SLICE_INIT("h"), SLICE_INIT("hours") },
    { SLICE_INIT("min"), SLICE_INIT("minutes") },    { SLICE_INIT("s"), SLICE_INIT("seconds") },
    { SLICE_INIT("ms"), SLICE_INIT("milliseconds") },{ SLICE_INIT("us"), SLICE_INIT("microseconds") },
    { SLICE_INIT("ns"), SLICE_INIT("nanoseconds") }, { SLICE_INIT("By"), SLICE_INIT("bytes") },
    { SLICE_INIT("KiBy"), SLICE_INIT("kibibytes") }, { SLICE_INIT("MiBy"), SLICE_INIT("mebibytes") },
    { SLICE_INIT("GiBy"), SLICE_INIT("gibibytes") }, { SLICE_INIT("TiBy"), SLICE_INIT("tibibytes") },
    { SLICE_INIT("KBy"), SLICE_INIT("kilobytes") },  { SLICE_INIT("MBy"), SLICE_INIT("megabytes") },
    { SLICE_INIT("GBy"), SLICE_INIT("gigabytes") },  { SLICE_INIT("TBy"), SLICE_INIT("terabytes") },
    { SLICE_INIT("m"), SLICE_INIT("meters") },       { SLICE_INIT("V"), SLICE_INIT("volts") },
    { SLICE_INIT("A"), SLICE_INIT("amperes") },      { SLICE_INIT("J"), SLICE_INIT("joules") },
    { SLICE_INIT("W"), SLICE_INIT("watts") },        { SLICE_INIT("g"), SLICE_INIT("grams") },
    { SLICE_INIT("Cel"), SLICE_INIT("celsius") },    { SLICE_INIT("Hz"), SLICE_INIT("hertz") },
    { SLICE_INIT("%"), SLICE_INIT("percent") },      { SLICE_INIT("1"), SLICE_INIT("") },
};

static const struct unit_word per_units[] = {
    { SLICE_INIT("s"), SLICE_INIT("second") }, { SLICE_INIT("m"), SLICE_INIT("minute") }, { SLICE_INIT("h"), SLICE_INIT("hour") },
    { SLICE_INIT("d"), SLICE_INIT("day") },    { SLICE_INIT("w"), SLICE_INIT("week") },   { SLICE_INIT("mo"), SLICE_INIT("month") },
    { SLICE_INIT("y"), SLICE_INIT("year") },
};

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

struct words {
    struct slice items[WORDS_MAX + 2 * UNIT_WORDS_MAX];
    size_t count;
};

static bool words_have(const struct words *w, struct slice word)
{
    for (size_t i = 0; i < w->count; i++)
        if (slice_eq(w->items[i], word))
            return true;
    return false;
}

static void words_split(struct words *w, struct slice text, bool colon, size_t max)
{
    for (size_t i = 0; i < text.len && w->count < max;) {
        size_t from = i;
        while (i < text.len && (is_alnum(text.ptr[i]) || (colon && text.ptr[i] == ':')))
            i++;
        if (i > from)
            w->items[w->count++] = slice_sub(text, from, i);
        else
            i++;
    }
}

static void words_remove(struct words *w, struct slice word)
{
    size_t kept = 0;
    for (size_t i = 0; i < w->count; i++)
        if (!slice_eq(w->items[i], word))
            w->items[kept++] = w->items[i];
    w->count = kept;
}

/* The unit by the table, or as it is; nothing for an annotation like {requests}. */
static struct slice unit_word(struct slice unit, const struct unit_word *table, size_t count)
{
    unit = slice_trim(unit);
    if (slice_find_char(unit, '{', 0) != SIZE_MAX || slice_find_char(unit, '}', 0) != SIZE_MAX)
        return SLICE_EMPTY;
    for (size_t i = 0; i < count; i++)
        if (slice_eq(unit, table[i].unit))
            return table[i].word;
    return unit;
}

static void unit_words(struct slice unit, struct words *main, struct words *per)
{
    struct slice head, tail;
    main->count = per->count = 0;
    bool has_per = slice_cut(unit, '/', &head, &tail);
    words_split(main, unit_word(head, main_units, COUNT_OF(main_units)), false, UNIT_WORDS_MAX);
    if (has_per)
        words_split(per, unit_word(tail, per_units, COUNT_OF(per_units)), false, UNIT_WORDS_MAX);
}

static void words_add_unit(struct words *w, const struct words *unit, struct slice lead)
{
    if (unit->count == 0 || (unit->count == 1 && words_have(w, unit->items[0])))
        return;
    if (lead.len)
        w->items[w->count++] = lead;
    for (size_t i = 0; i < unit->count && w->count < COUNT_OF(w->items); i++)
        w->items[w->count++] = unit->items[i];
}

static struct slice words_join(struct arena *a, const struct words *w)
{
    size_t bytes = 1;
    for (size_t i = 0; i < w->count; i++)
        bytes += w->items[i].len + 1;
    char *start = arena_alloc(a, bytes), *at = start;
    if (w->count && w->items[0].ptr[0] >= '0' && w->items[0].ptr[0] <= '9')
        *at++ = '_';
    for (size_t i = 0; i < w->count; i++) {
        if (i)
            *at++ = '_';
        memcpy(at, w->items[i].ptr, w->items[i].len);
        at += w->items[i].len;
    }
    return slice_of(start, (size_t)(at - start));
}

struct slice prom_metric_name(struct arena *a, struct slice name, struct slice unit, enum prom_name_kind kind)
{
    struct words w = { .count = 0 }, main, per;
    words_split(&w, name, true, WORDS_MAX);
    unit_words(unit, &main, &per);
    words_add_unit(&w, &main, SLICE_EMPTY);
    words_add_unit(&w, &per, SLICE("per"));
    struct slice suffix = kind == PROM_NAME_COUNTER ? SLICE("total") : SLICE("ratio");
    if (kind == PROM_NAME_COUNTER || (kind == PROM_NAME_GAUGE && slice_eq(slice_trim(unit), SLICE("1")))) {
        words_remove(&w, suffix);
        w.items[w.count++] = suffix;
    }
    return words_join(a, &w);
}

/* Without word at the end, and the '_' or '.' before it. */
static struct slice without_end(struct slice name, struct slice word)
{
    if (!slice_ends(name, word) || name.len <= word.len + 1)
        return name;
    char before = name.ptr[name.len - word.len - 1];
    return before == '_' || before == '.' ? slice_sub(name, 0, name.len - word.len - 1) : name;
}

struct slice prom_metric_name_utf8(struct arena *a, struct slice name, struct slice unit, enum prom_name_kind kind)
{
    struct words main, per;
    unit_words(unit, &main, &per);
    struct slice one = main.count ? words_join(a, &main) : SLICE_EMPTY, each = per.count ? words_join(a, &per) : SLICE_EMPTY;
    bool is_counter = kind == PROM_NAME_COUNTER, is_ratio = kind == PROM_NAME_GAUGE && slice_eq(slice_trim(unit), SLICE("1"));
    struct slice suffix = is_counter ? SLICE("total") : is_ratio ? SLICE("ratio") : SLICE_EMPTY;
    if (suffix.len)
        name = without_end(name, suffix);
    if (one.len && !slice_ends(name, one))
        name = arena_printf(a, "%.*s_%.*s", SLICE_FMT(name), SLICE_FMT(one));
    if (each.len && !slice_ends(name, each))
        name = arena_printf(a, "%.*s_per_%.*s", SLICE_FMT(name), SLICE_FMT(each));
    return suffix.len ? arena_printf(a, "%.*s_%.*s", SLICE_FMT(name), SLICE_FMT(suffix)) : name;
}

struct slice prom_unit(struct arena *a, struct slice unit)
{
    struct words w = { .count = 0 }, main, per;
    unit_words(unit, &main, &per);
    words_add_unit(&w, &main, SLICE_EMPTY);
    words_add_unit(&w, &per, SLICE("per"));
    return w.count ? words_join(a, &w) : SLICE_EMPTY;
}

struct slice prom_label_name(struct arena *a, struct slice name)
{
    char *start = arena_alloc(a, name.len + 4), *at = start;
    bool clean = name.len > 0;
    if (name.len && name.ptr[0] >= '0' && name.ptr[0] <= '9') {
        memcpy(at, "key_", 4);
        at += 4;
    } else if (slice_starts(name, SLICE("_")) && !slice_starts(name, SLICE("__"))) {
        memcpy(at, "key", 3);
        at += 3;
    }
    clean = at == start;
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.ptr[i];
        if ((c & 0xc0) == 0x80) /* one '_' for a whole character */
            continue;
        bool ok = is_alnum((char)c) || c == '_';
        clean = clean && ok;
        *at++ = ok ? (char)c : '_';
    }
    return clean ? name : slice_of(start, (size_t)(at - start));
}
