/* SPDX-License-Identifier: Apache-2.0 */
/* Loki's functions of times, and fromJson. The local time zone is UTC here, as where Loki runs in a container. */
#include <stdlib.h>

#include "base/num.h"
#include "logql/template.h"
#include "query/gotmpl_time.h"
#include "sys/clock.h"

enum { ZONE_STEPS = 200 /* a zone's file is read */ };

static enum status give_time(const struct gotmpl_env *env, struct gotmpl_time t, struct gotmpl_value *out)
{
    *out = gotmpl_time_value(env->arena, t);
    return ST_OK;
}

static struct gotmpl_time now(const struct gotmpl_env *env)
{
    const struct template_data *d = env->arg;
    return gotmpl_time_of_ns(clock_wall_ns(d->env->ctx ? d->env->ctx->clock : clock_real()));
}

GOTMPL_FUNCTION(fn_timestamp)
{
    return give_time(env, gotmpl_time_of_ns(((const struct template_data *)env->arg)->time_ns), out);
}

GOTMPL_FUNCTION(fn_now)
{
    return give_time(env, now(env), out);
}

/* date layout t: of a time, or of a number of seconds; of now when it is anything else. */
GOTMPL_FUNCTION(fn_date)
{
    struct gotmpl_time t = v[1].type == GOTMPL_TIME ? *v[1].time : now(env);
    struct buf b;
    if (v[1].type == GOTMPL_INT)
        t = (struct gotmpl_time){ .s = v[1].i };
    t = gotmpl_time_in(NULL, t);
    buf_init(&b, GOTMPL_RESULT_BYTES_MAX);
    gotmpl_time_format(&t, v[0].text, &b);
    return gotmpl_give(env, &b, out, err);
}

GOTMPL_FUNCTION(fn_to_date)
{
    struct gotmpl_time t;
    gotmpl_time_parse(v[0].text, v[1].text, NULL, &t);
    return give_time(env, t, out);
}

GOTMPL_FUNCTION(fn_to_date_in_zone)
{
    struct gotmpl_time t;
    const struct zone *z = v[1].zone ? v[1].zone : gotmpl_zone(env->arena, v[1].text);
    gotmpl_time_parse(v[0].text, v[2].text, z, &t);
    return give_time(env, t, out);
}

static enum status give_number(const struct gotmpl_env *env, int64_t i, struct gotmpl_value *out)
{
    *out = gotmpl_text(arena_printf(env->arena, "%lld", (long long)i));
    return ST_OK;
}

GOTMPL_FUNCTION(fn_unix_epoch)
{
    return give_number(env, v[0].time->s, out);
}

GOTMPL_FUNCTION(fn_unix_epoch_millis)
{
    return give_number(env, sat_add(sat_mul(v[0].time->s, 1000), v[0].time->ns / 1000000), out);
}

GOTMPL_FUNCTION(fn_unix_epoch_nanos)
{
    return give_number(env, gotmpl_time_ns(v[0].time), out);
}

/* What unit it is, the count of digits says: days, s, ms, us, ns. */
GOTMPL_FUNCTION(fn_unix_to_time)
{
    static const struct {
        size_t digits;
        int64_t per_s, s_per;
    } units[] = { { 5, 1, 86400 }, { 10, 1, 1 }, { 13, 1000, 1 }, { 16, 1000000, 1 }, { 19, NS_S, 1 } };
    struct slice s = v[0].text;
    int64_t i;
    size_t k = 0;
    while (k < COUNT_OF(units) && units[k].digits != s.len)
        k++;
    if (!num_parse_i64(s.len && s.ptr[0] == '+' ? slice_skip(s, 1) : s, &i) || k == COUNT_OF(units))
        return err_set(err, ST_INVALID, "unable to parse time '%.*s': it has %zu digits; 5 (days), 10 (s), 13, 16 and 19 (ns) are known",
                       SLICE_FMT(s), s.len);
    int64_t whole = i / units[k].per_s, rest = i % units[k].per_s;
    whole -= rest < 0;
    rest += rest < 0 ? units[k].per_s : 0;
    struct gotmpl_time t = { .s = whole * units[k].s_per, .ns = (int32_t)(rest * (NS_S / units[k].per_s)) };
    return give_time(env, gotmpl_time_in(NULL, t), out);
}

/* ---- fromJson ---- */

struct member {
    struct slice key;
    struct gotmpl_value value;
    size_t at;
};

static int by_key(const void *a, const void *b)
{
    const struct member *x = a, *y = b;
    int c = slice_cmp(x->key, y->key);
    return c ? c : (x->at > y->at) - (x->at < y->at);
}

static struct gotmpl_value value_of(struct arena *a, struct json_value j);

static struct gotmpl_value list_of(struct arena *a, struct json_value j)
{
    struct gotmpl_value *items = NULL, item;
    struct json_value e;
    size_t n = 0, cap = 0;
    unsigned nested = 0;
    for (struct json_iter it = json_array(j); json_array_next(&it, &e);) {
        item = value_of(a, e);
        nested = MAX(nested, (unsigned)item.nested);
        ARENA_PUSH(a, items, n, cap) = item;
    }
    return (struct gotmpl_value){ .type = GOTMPL_LIST, .nested = (uint16_t)(nested + 1), .items = items, .count = n };
}

/* Keys in order; of equal ones the last counts. */
static struct gotmpl_value map_of(struct arena *a, struct json_value j)
{
    struct member *list = NULL;
    struct json_value e;
    struct slice key;
    size_t n = 0, cap = 0, kept = 0;
    unsigned nested = 0;
    for (struct json_iter it = json_object(j); json_object_next(&it, &key, &e);) {
        struct member m = { arena_copy(a, key), value_of(a, e), n };
        nested = MAX(nested, (unsigned)m.value.nested);
        ARENA_PUSH(a, list, n, cap) = m;
    }
    if (n)
        qsort(list, n, sizeof *list, by_key);
    struct gotmpl_value *items = arena_array(a, struct gotmpl_value, n + 1);
    struct slice *keys = arena_array(a, struct slice, n + 1);
    for (size_t i = 0; i < n; i++) {
        if (i + 1 < n && slice_eq(list[i].key, list[i + 1].key))
            continue;
        items[kept] = list[i].value;
        keys[kept++] = list[i].key;
    }
    return (struct gotmpl_value){
        .type = GOTMPL_MAP, .is_open = true, .nested = (uint16_t)(nested + 1), .items = items, .keys = keys, .count = kept
    };
}

static struct gotmpl_value value_of(struct arena *a, struct json_value j)
{
    double f = 0;
    switch (json_type(j)) {
    case JSON_NULL: break;
    case JSON_BOOL: return gotmpl_bool(json_get_bool(j));
    case JSON_INT:
    case JSON_UINT:
    case JSON_DOUBLE: json_get_double(j, &f); return gotmpl_float(f);
    case JSON_STRING: return gotmpl_text(arena_copy(a, json_get_string(j)));
    case JSON_ARRAY: return list_of(a, j);
    case JSON_OBJECT: return map_of(a, j);
    }
    return (struct gotmpl_value){ .type = GOTMPL_NIL, .is_open = true };
}

/* What is no JSON is nil. */
GOTMPL_FUNCTION(fn_from_json)
{
    const struct template_data *d = env->arg;
    struct json_parser *own = d->env->json ? NULL : json_parser_new();
    struct json_value j;
    struct err why;
    *out = (struct gotmpl_value){ .type = GOTMPL_NIL };
    if (json_parse(own ? own : d->env->json, v[0].text, &j, &why) == ST_OK)
        *out = value_of(env->arena, j);
    if (out->type == GOTMPL_NIL)
        out->is_open = false;
    json_parser_free(own);
    return ST_OK;
}

#define ROW(name, count, params, run) { SLICE_INIT(name), count, count, params, run, 0, 0, 0, GOTMPL_CALL_PLAIN }

static const struct gotmpl_function functions[] = {
    ROW("__timestamp__", 0, "", fn_timestamp),
    ROW("now", 0, "", fn_now),
    ROW("date", 2, "sa", fn_date),
    ROW("toDate", 2, "ss", fn_to_date),
    { SLICE_INIT("toDateInZone"), 3, 3, "sss", fn_to_date_in_zone, ZONE_STEPS, 0, 2, GOTMPL_CALL_PLAIN },
    ROW("unixEpoch", 1, "t", fn_unix_epoch),
    ROW("unixEpochMillis", 1, "t", fn_unix_epoch_millis),
    ROW("unixEpochNanos", 1, "t", fn_unix_epoch_nanos),
    ROW("unixToTime", 1, "s", fn_unix_to_time),
    ROW("fromJson", 1, "s", fn_from_json),
};

const struct gotmpl_functions template_time_functions = { functions, COUNT_OF(functions), NULL };
