/* SPDX-License-Identifier: Apache-2.0 */
/* Metric families and the Prometheus text format 0.0.4.
 *
 * A family holds its children in a hash table keyed by the joined label values; one lock a family. Histograms keep one
 * count per bucket and are made cumulative when written. */
#include <assert.h>
#include <math.h>
#include <pthread.h>
#include <string.h>

#include "client/private.h"

enum kind { COUNTER, GAUGE, HISTOGRAM };
enum { KEY_BYTES_MAX = 1024, SEPARATOR = 1, TABLE_SIZE = 2 * STOA_CHILDREN_MAX };

struct child {
    char *key; /* values, each followed by SEPARATOR */
    double value, sum;
    uint64_t *buckets; /* histogram: bounds + 1 */
};

struct stoa_family {
    struct stoa_family *next;
    pthread_mutex_t lock;
    enum kind kind;
    char *name, *help, *labels[STOA_LABELS_MAX];
    int label_count, bound_count, child_count;
    double bounds[STOA_BUCKETS_MAX];
    struct child **table; /* TABLE_SIZE places, made with the first child */
};

struct stoa_metrics {
    pthread_mutex_t lock;
    struct stoa_family *first, **last;
};

struct stoa_metrics *stoa_metrics_new(void)
{
    struct stoa_metrics *m = must(calloc(1, sizeof *m));
    pthread_mutex_init(&m->lock, NULL);
    m->last = &m->first;
    return m;
}

static void family_free(struct stoa_family *f)
{
    for (int i = 0; f->table && i < TABLE_SIZE; i++) {
        if (f->table[i] == NULL)
            continue;
        free(f->table[i]->key);
        free(f->table[i]->buckets);
        free(f->table[i]);
    }
    for (int i = 0; i < f->label_count; i++)
        free(f->labels[i]);
    free(f->table);
    free(f->name);
    free(f->help);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

void stoa_metrics_free(struct stoa_metrics *m)
{
    if (m == NULL)
        return;
    for (struct stoa_family *f = m->first, *next; f; f = next) {
        next = f->next;
        family_free(f);
    }
    pthread_mutex_destroy(&m->lock);
    free(m);
}

static struct stoa_family *family(struct stoa_metrics *m, enum kind kind, const char *name, const char *help, int bounds_count,
                                  const double *bounds, int labels, const char *const *names)
{
    assert(labels <= STOA_LABELS_MAX && bounds_count <= STOA_BUCKETS_MAX);
    pthread_mutex_lock(&m->lock);
    struct stoa_family *f = m->first;
    while (f && strcmp(f->name, name) != 0)
        f = f->next;
    if (f == NULL) {
        f = must(calloc(1, sizeof *f));
        pthread_mutex_init(&f->lock, NULL);
        f->kind = kind;
        f->name = must(strdup(name));
        f->help = must(strdup(help));
        f->label_count = labels;
        for (int i = 0; i < f->label_count; i++)
            f->labels[i] = must(strdup(names[i]));
        /* Once and for all: children that exist have as many buckets as there are bounds now. */
        f->bound_count = bounds_count;
        if (bounds_count)
            memcpy(f->bounds, bounds, sizeof *bounds * (size_t)bounds_count);
        *m->last = f;
        m->last = &f->next;
    }
    pthread_mutex_unlock(&m->lock);
    assert(f->kind == kind && f->label_count == labels);
    return f;
}

struct stoa_family *stoa_counter(struct stoa_metrics *m, const char *name, const char *help, int labels, const char *const *names)
{
    return family(m, COUNTER, name, help, 0, NULL, labels, names);
}

struct stoa_family *stoa_gauge(struct stoa_metrics *m, const char *name, const char *help, int labels, const char *const *names)
{
    return family(m, GAUGE, name, help, 0, NULL, labels, names);
}

struct stoa_family *stoa_histogram(struct stoa_metrics *m, const char *name, const char *help, int bounds_count, const double *bounds,
                                   int labels, const char *const *names)
{
    return family(m, HISTOGRAM, name, help, bounds_count, bounds, labels, names);
}

static uint64_t key_hash(const char *key)
{
    uint64_t h = 1469598103934665603u;
    for (; *key; key++)
        h = (h ^ (uint8_t)*key) * 1099511628211u;
    return h ^ (h >> 29);
}

static void key_of(const struct stoa_family *f, const char *const *values, const char *instead, char *key)
{
    size_t n = 0;
    for (int i = 0; i < f->label_count; i++) {
        size_t start = n;
        const char *v = instead ? instead : values[i] ? values[i] : "";
        for (; *v && n + 2 * STOA_LABELS_MAX < KEY_BYTES_MAX; v++)
            key[n++] = *v == SEPARATOR ? ' ' : *v;
        /* Cut between two characters: a page that is no UTF-8 is refused whole. */
        while (*v && n > start && ((uint8_t)*v & 0xc0) == 0x80) {
            v--;
            n--;
        }
        key[n++] = SEPARATOR;
    }
    key[n] = 0;
}

static struct child **place(struct stoa_family *f, const char *key)
{
    size_t i = key_hash(key) % TABLE_SIZE;
    while (f->table[i] && strcmp(f->table[i]->key, key) != 0)
        i = (i + 1) % TABLE_SIZE;
    return &f->table[i];
}

/* The child of values, made when new. f's lock is held. */
static struct child *child(struct stoa_family *f, const char *const *values)
{
    char key[KEY_BYTES_MAX];
    if (f->table == NULL)
        f->table = must(calloc(TABLE_SIZE, sizeof *f->table));
    key_of(f, values, NULL, key);
    struct child **at = place(f, key);
    if (*at == NULL && f->child_count >= STOA_CHILDREN_MAX) {
        key_of(f, values, "__overflow__", key);
        at = place(f, key);
    }
    if (*at == NULL) {
        struct child *c = must(calloc(1, sizeof *c));
        c->key = must(strdup(key));
        if (f->kind == HISTOGRAM)
            c->buckets = must(calloc((size_t)f->bound_count + 1, sizeof *c->buckets));
        f->child_count++;
        *at = c;
    }
    return *at;
}

void stoa_add(struct stoa_family *f, double v, const char *const *values)
{
    pthread_mutex_lock(&f->lock);
    child(f, values)->value += v;
    pthread_mutex_unlock(&f->lock);
}

void stoa_set(struct stoa_family *f, double v, const char *const *values)
{
    pthread_mutex_lock(&f->lock);
    child(f, values)->value = v;
    pthread_mutex_unlock(&f->lock);
}

void stoa_observe(struct stoa_family *f, double v, const char *const *values)
{
    pthread_mutex_lock(&f->lock);
    struct child *c = child(f, values);
    int i = 0;
    while (i < f->bound_count && !(v <= f->bounds[i]))
        i++;
    c->buckets[i]++;
    c->sum += v;
    pthread_mutex_unlock(&f->lock);
}

static void put_number(FILE *out, double v)
{
    if (isnan(v))
        fputs("NaN", out);
    else if (isinf(v))
        fputs(v > 0 ? "+Inf" : "-Inf", out);
    else if (v == floor(v) && fabs(v) < 1e15)
        fprintf(out, "%.0f", v);
    else
        fprintf(out, "%.17g", v);
}

static void put_escaped(FILE *out, const char *text, size_t n, int quotes)
{
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '\\' || (quotes && text[i] == '"'))
            fputc('\\', out);
        if (text[i] == '\n')
            fputs("\\n", out);
        else
            fputc(text[i], out);
    }
}

/* {a="x",b="y",le="1"}; extra is "le" with its bound, or NULL. */
static void put_labels(FILE *out, const struct stoa_family *f, const char *key, const char *le)
{
    int n = 0;
    for (; n < f->label_count; n++) {
        const char *end = strchr(key, SEPARATOR);
        fprintf(out, "%s%s=\"", n ? "," : "{", f->labels[n]);
        put_escaped(out, key, (size_t)(end - key), 1);
        fputc('"', out);
        key = end + 1;
    }
    if (le)
        fprintf(out, "%sle=\"%s\"", n++ ? "," : "{", le);
    if (n)
        fputc('}', out);
}

static void put_histogram(FILE *out, const struct stoa_family *f, const struct child *c)
{
    uint64_t total = 0;
    for (int i = 0; i <= f->bound_count; i++) {
        char le[40];
        total += c->buckets[i];
        snprintf(le, sizeof le, i < f->bound_count ? "%g" : "+Inf", i < f->bound_count ? f->bounds[i] : 0.0);
        fprintf(out, "%s_bucket", f->name);
        put_labels(out, f, c->key, le);
        fprintf(out, " %llu\n", (unsigned long long)total);
    }
    fprintf(out, "%s_sum", f->name);
    put_labels(out, f, c->key, NULL);
    fputc(' ', out);
    put_number(out, c->sum);
    fprintf(out, "\n%s_count", f->name);
    put_labels(out, f, c->key, NULL);
    fprintf(out, " %llu\n", (unsigned long long)total);
}

static void put_family(FILE *out, struct stoa_family *f)
{
    static const char *const kinds[] = { "counter", "gauge", "histogram" };
    pthread_mutex_lock(&f->lock);
    fprintf(out, "# HELP %s ", f->name);
    put_escaped(out, f->help, strlen(f->help), 0);
    fprintf(out, "\n# TYPE %s %s\n", f->name, kinds[f->kind]);
    for (int i = 0; f->table && i < TABLE_SIZE; i++) {
        const struct child *c = f->table[i];
        if (c == NULL)
            continue;
        if (f->kind == HISTOGRAM) {
            put_histogram(out, f, c);
            continue;
        }
        fputs(f->name, out);
        put_labels(out, f, c->key, NULL);
        fputc(' ', out);
        put_number(out, c->value);
        fputc('\n', out);
    }
    pthread_mutex_unlock(&f->lock);
}

char *stoa_metrics_text(struct stoa_metrics *m, size_t *size)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = must(open_memstream(&text, &n));
    pthread_mutex_lock(&m->lock);
    for (struct stoa_family *f = m->first; f; f = f->next)
        put_family(out, f);
    pthread_mutex_unlock(&m->lock);
    fclose(out);
    if (size)
        *size = n;
    return text;
}
