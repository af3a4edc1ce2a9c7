/* SPDX-License-Identifier: Apache-2.0 */
/* How OTLP metrics become series: the section `otlp` of a prometheus.yml. */
#ifndef STOA_INGEST_OTLP_OPTIONS_H
#define STOA_INGEST_OTLP_OPTIONS_H

#include "codec/yaml.h"

struct otlp_options {
    bool keeps_utf8;           /* names stay as they are: NoUTF8EscapingWithSuffixes, NoTranslation */
    bool without_suffixes;     /* neither units nor _total: UnderscoreEscapingWithoutSuffixes, NoTranslation */
    const struct slice *promoted; /* resource attributes that become labels of every series */
    size_t promoted_count;
    bool promotes_all;         /* all but those listed as ignored */
    const struct slice *ignored;
    size_t ignored_count;
    bool keeps_identity;       /* target_info has service.name, service.namespace and service.instance.id too */
    bool promotes_scope;       /* otel_scope_name, otel_scope_version and the scope's attributes */
    bool converts_histograms;  /* explicit buckets become native histograms with bounds of their own */
};

/* n: the section, or NULL. Unknown keys are errors; texts live in n's tree. */
MUST_CHECK enum status otlp_options_read(struct arena *a, const struct yaml_node *n, struct otlp_options *out, struct err *err);
bool otlp_options_promotes(const struct otlp_options *o, struct slice attribute);

#endif
