/* SPDX-License-Identifier: Apache-2.0 */
/* A run: {{names}} saved by earlier steps and ${NAMES} of the environment are filled into URL, headers and body; in `json`
 * into each text, so that a quote in a value breaks nothing. Whatever was filled in may be a secret: it is taken out of
 * every error again, and results name the URL as it stands in the configuration. Cookies live as long as the run. */
#include "probe/run.h"

#include <stdio.h>

#include "codec/hex.h"
#include "codec/url.h"
#include "probe/condition.h"
#include "probe/fetch.h"
#include "sys/rand.h"

enum { VARIABLES_MAX = CHECK_STEPS_MAX * STEP_SAVES_MAX, SECRETS_MAX = 256, SECRET_BYTES_MIN = 4, TRACEPARENT_BYTES = 55 };

struct journey {
    const struct run_env *env;
    const struct check *check;
    struct run *run;
    struct arena *a;
    struct check_pair *variables;
    size_t variable_count, variable_cap;
    struct slice secrets[SECRETS_MAX];
    size_t secret_count;
    struct buf cookies;
    enum status fill_status; /* of fill(), which has no room for errors in yaml_write_json */
    struct err fill_err;
};

/* ---- filling in ---- */

static void remember_secret(struct journey *j, struct slice value)
{
    for (size_t i = 0; i < j->secret_count; i++)
        if (slice_eq(j->secrets[i], value))
            return;
    if (value.len >= SECRET_BYTES_MIN && j->secret_count < SECRETS_MAX)
        j->secrets[j->secret_count++] = value;
}

static bool variable_value(struct journey *j, struct slice name, struct slice *out)
{
    for (size_t i = j->variable_count; i-- > 0;)
        if (slice_eq(j->variables[i].name, name)) {
            *out = j->variables[i].value;
            return true;
        }
    return false;
}

/* The value of what stands in {{ }} or ${ }. */
static bool value_of(struct journey *j, struct slice name, bool is_secret, struct slice *out)
{
    bool found = is_secret ? j->env->variable && j->env->variable(j->env->arg, name, out) : variable_value(j, name, out);
    if (!found && !j->fill_status)
        j->fill_status = is_secret ? err_set(&j->fill_err, ST_NOT_FOUND, "${%.*s} is not set in the environment", SLICE_FMT(name))
                                   : err_set(&j->fill_err, ST_NOT_FOUND, "{{%.*s}} was not saved by an earlier step", SLICE_FMT(name));
    if (found)
        *out = arena_copy(j->a, *out);
    if (found)
        remember_secret(j, *out);
    return found;
}

static struct slice fill(void *arg, struct slice text)
{
    struct journey *j = arg;
    struct buf out;
    if (text.len == 0)
        return SLICE_EMPTY;
    if (!slice_contains(text, SLICE("{{")) && !slice_contains(text, SLICE("${")))
        return text;
    buf_init(&out, FETCH_BODY_BYTES_MAX);
    while (text.len) {
        bool braces = slice_starts(text, SLICE("{{")), secret = slice_starts(text, SLICE("${"));
        size_t end = braces ? slice_find(text, SLICE("}}"), 2) : secret ? slice_find_char(text, '}', 2) : SIZE_MAX;
        struct slice value;
        if (end == SIZE_MAX) {
            buf_char(&out, text.ptr[0]);
            text = slice_skip(text, 1);
            continue;
        }
        if (value_of(j, slice_trim(slice_sub(text, 2, end)), secret, &value))
            buf_slice(&out, value);
        text = slice_skip(text, end + (braces ? 2 : 1));
    }
    struct slice filled = arena_copy(j->a, buf_as_slice(&out));
    buf_free(&out);
    return filled;
}

/* Without anything that was filled in, and in one piece of bounded length. */
static struct slice harmless(struct journey *j, struct slice text)
{
    struct buf out;
    buf_init(&out, RUN_ERROR_BYTES_MAX);
    while (text.len && out.len + 3 < RUN_ERROR_BYTES_MAX) {
        struct slice hit = SLICE_EMPTY;
        for (size_t i = 0; i < j->secret_count; i++)
            if (j->secrets[i].len > hit.len && slice_starts(text, j->secrets[i]))
                hit = j->secrets[i];
        if (hit.len)
            buf_slice(&out, SLICE("***"));
        else
            buf_char(&out, text.ptr[0]);
        text = slice_skip(text, hit.len ? hit.len : 1);
    }
    struct slice copy = arena_copy(j->a, buf_as_slice(&out));
    buf_free(&out);
    return copy;
}

/* ---- one step ---- */

static struct slice form_of(struct journey *j, const struct yaml_node *form)
{
    struct buf out;
    buf_init(&out, FETCH_BODY_BYTES_MAX);
    for (size_t i = 0; i < form->count; i++) {
        if (i)
            buf_char(&out, '&');
        url_encode(form->keys[i], &out);
        buf_char(&out, '=');
        url_encode(fill(j, form->items[i]->text), &out);
    }
    struct slice text = arena_copy(j->a, buf_as_slice(&out));
    buf_free(&out);
    return text;
}

static struct slice body_of(struct journey *j, const struct check_step *s, struct slice *content_type)
{
    struct buf out;
    if (s->form) {
        *content_type = SLICE("application/x-www-form-urlencoded");
        return form_of(j, s->form);
    }
    if (s->json == NULL)
        return fill(j, s->body);
    *content_type = SLICE("application/json");
    buf_init(&out, FETCH_BODY_BYTES_MAX);
    yaml_write_json(s->json, fill, j, &out);
    struct slice text = arena_copy(j->a, buf_as_slice(&out));
    buf_free(&out);
    return text;
}

static struct slice traceparent_of(struct journey *j, const struct run_step *r)
{
    char trace[33] = "", span[17] = "";
    hex_encode(slice_of(j->run->trace_id, sizeof j->run->trace_id), trace);
    hex_encode(slice_of(r->span_id, sizeof r->span_id), span);
    return arena_printf(j->a, "00-%.32s-%.16s-01", trace, span);
}

static size_t headers_of(struct journey *j, const struct check_step *s, const struct run_step *r, struct slice content_type, struct http_header *to)
{
    size_t n = 0;
    bool typed = content_type.len == 0;
    for (size_t i = 0; i < s->header_count; i++) {
        to[n++] = (struct http_header){ s->headers[i].name, fill(j, s->headers[i].value) };
        typed = typed || slice_eq_nocase(s->headers[i].name, SLICE("content-type"));
    }
    if (!typed)
        to[n++] = (struct http_header){ SLICE("Content-Type"), content_type };
    to[n++] = (struct http_header){ SLICE("traceparent"), traceparent_of(j, r) };
    return n;
}

static void take_answer(struct run_step *r, const struct fetch_answer *f, struct arena *a)
{
    r->status = f->status;
    r->redirects = f->redirects;
    r->http_version = f->details.http_version;
    r->is_tls = f->is_tls;
    r->ip = arena_copy(a, slice_str(f->details.ip));
    r->total_ns = f->total_ns;
    r->resolve_ns = f->resolve_ns;
    r->connect_ns = f->connect_ns;
    r->tls_ns = f->tls_ns;
    r->request_ns = f->request_ns;
    r->first_byte_ns = f->first_byte_ns;
    r->transfer_ns = f->transfer_ns;
    r->certificate_expiry_ms = f->details.earliest_expiry_s * 1000;
    r->body_bytes = f->body.len;
}

static enum status check_conditions(const struct check_step *s, const struct answer_view *v, struct err *err)
{
    if (s->condition_count == 0 && (v->status < 200 || v->status > 299))
        return err_set(err, ST_INVALID, "expected status 200 to 299, found %d", v->status);
    for (size_t i = 0; i < s->condition_count; i++) {
        struct condition *c;
        enum status st = condition_parse(s->conditions[i], &c, err);
        if (st)
            return st;
        st = condition_check(c, v, err);
        condition_free(c);
        if (st)
            return st;
    }
    return ST_OK;
}

static enum status take_saves(struct journey *j, const struct check_step *s, const struct answer_view *v, struct err *err)
{
    for (size_t i = 0; i < s->save_count; i++) {
        struct condition *pick;
        struct slice value;
        enum status st = pick_parse(s->saves[i].value, &pick, err);
        if (st)
            return st;
        st = pick_take(pick, v, j->a, &value, err);
        condition_free(pick);
        if (st)
            return err_prefix(err, "save %.*s: ", SLICE_FMT(s->saves[i].name));
        ARENA_PUSH(j->a, j->variables, j->variable_count, j->variable_cap) = (struct check_pair){ s->saves[i].name, value };
    }
    return ST_OK;
}

static enum status judge(struct journey *j, const struct check_step *s, const struct fetch_answer *f, struct err *err)
{
    int64_t now_s = clock_wall_ns(j->env->clock) / NS_S;
    struct answer_view v = {
        .status = f->status,
        .total_ns = f->total_ns,
        .resolve_ns = f->resolve_ns,
        .connect_ns = f->connect_ns,
        .tls_ns = f->tls_ns,
        .request_ns = f->request_ns,
        .first_byte_ns = f->first_byte_ns,
        .transfer_ns = f->transfer_ns,
        .has_certificate = f->details.earliest_expiry_s != 0,
        .certificate_days = (double)(f->details.earliest_expiry_s - now_s) / 86400.0,
        .headers = buf_as_slice(&f->details.headers),
        .body = buf_as_slice(&f->body),
    };
    enum status st = check_conditions(s, &v, err);
    return st ? st : take_saves(j, s, &v, err);
}

static enum status run_step(struct journey *j, const struct check_step *s, struct run_step *r, struct err *err)
{
    struct http_header headers[STEP_HEADERS_MAX + 2];
    struct slice content_type = SLICE_EMPTY;
    const struct check_tls *tls = &j->check->tls;
    struct fetch_answer answer;
    j->fill_status = ST_OK;
    struct fetch_request req = {
        .method = s->method,
        .url = fill(j, s->url),
        .body = body_of(j, s, &content_type),
        .headers = headers,
        .ca_file = tls->ca_file,
        .cert_file = tls->cert_file,
        .key_file = tls->key_file,
        .server_name = tls->server_name,
        .tls_insecure = tls->insecure,
        .follow_redirects = s->follow_redirects,
        .timeout_ns = s->timeout_ns,
        .cookies = &j->cookies,
    };
    req.header_count = headers_of(j, s, r, content_type, headers);
    if (j->fill_status) {
        *err = j->fill_err;
        return j->fill_status;
    }
    enum status st = fetch_do(j->env->client, j->env->clock, &req, &answer, err);
    take_answer(r, &answer, j->a);
    if (!st)
        st = judge(j, s, &answer, err);
    fetch_answer_free(&answer);
    return st;
}

static void begin_run(const struct run_env *env, const struct check *c, struct slice location, struct arena *a, struct run *out)
{
    *out = (struct run){ .check = arena_copy(a, c->name), .location = arena_copy(a, location), .every_ns = c->every_ns, .ok = true };
    out->start_ns = clock_wall_ns(env->clock);
    sys_random(out->id, sizeof out->id);
    sys_random(out->trace_id, sizeof out->trace_id);
    sys_random(out->span_id, sizeof out->span_id);
    out->steps = arena_zalloc(a, (c->step_count + 1) * sizeof *out->steps);
    out->step_count = c->step_count;
    for (size_t i = 0; i < c->step_count; i++) {
        const struct check_step *s = &c->steps[i];
        out->steps[i] = (struct run_step){ .name = arena_copy(a, s->name), .method = arena_copy(a, s->method), .url = arena_copy(a, s->url) };
        sys_random(out->steps[i].span_id, sizeof out->steps[i].span_id);
    }
}

void run_check(const struct run_env *env, const struct check *c, struct slice location, struct arena *a, struct run *out)
{
    struct journey *j = arena_new_of(a, struct journey);
    j->env = env;
    j->check = c;
    j->run = out;
    j->a = a;
    buf_init(&j->cookies, CLIENT_COOKIE_BYTES_MAX);
    begin_run(env, c, location, a, out);
    int64_t begin_ns = clock_mono_ns(env->clock);
    for (size_t i = 0; out->ok && i < c->step_count; i++) {
        struct run_step *r = &out->steps[i];
        struct err err;
        r->ran = true;
        r->start_ns = clock_wall_ns(env->clock);
        enum status st = run_step(j, &c->steps[i], r, &err);
        out->is_cancelled = st == ST_CANCELLED;
        if (st) {
            r->error = harmless(j, slice_str(err.text));
            out->ok = false;
            out->failed_step = r->name;
            out->error = r->error;
        } else {
            r->ok = true;
        }
    }
    out->duration_ns = clock_mono_ns(env->clock) - begin_ns;
    buf_free(&j->cookies);
}
