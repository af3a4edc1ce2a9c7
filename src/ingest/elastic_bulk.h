/* SPDX-License-Identifier: Apache-2.0 */
/* What Elasticsearch's _bulk says of each of its items, in their order. */
#ifndef STOA_INGEST_ELASTIC_BULK_H
#define STOA_INGEST_ELASTIC_BULK_H

#include "base/slice.h"

enum elastic_op { ELASTIC_INDEX, ELASTIC_CREATE, ELASTIC_UPDATE, ELASTIC_DELETE };

struct elastic_item {
    enum elastic_op op;
    struct slice index, id; /* id: empty when the client gave none */
    const char *error;      /* Elasticsearch's word for it; NULL: taken */
    struct slice reason;
};

/* Given by who decodes (ingest_ctx.elastic), filled by the decoder. Texts and items live in the batch's arena. */
struct elastic_bulk {
    struct slice index;   /* of items that name none */
    bool is_document;     /* the body is one document: of op, index and id */
    enum elastic_op op;
    struct slice id;
    struct elastic_item *items;
    size_t count, cap;
    bool all_named;       /* every item that was taken has an id: the request may be known again */
};

const char *elastic_op_name(enum elastic_op op);

#endif
