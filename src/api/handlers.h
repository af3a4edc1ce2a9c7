/* SPDX-License-Identifier: Apache-2.0 */
/* Every handler of the route table, by file. user of the route is the struct api. */
#ifndef STOA_API_HANDLERS_H
#define STOA_API_HANDLERS_H

#include "api/api.h"

#define HANDLER(name) void name(void *user, struct http_exchange *x)

/* self.c: about ourselves */
HANDLER(self_healthy);
HANDLER(self_ready);
HANDLER(self_metrics);
HANDLER(self_reload);

/* prom_query.c, prom_meta.c, prom_status.c, prom_server.c, prom_read.c, prom_federate.c: Prometheus */
HANDLER(prom_parse_query);
HANDLER(prom_read);
HANDLER(prom_federate);
HANDLER(prom_clean_tombstones);
HANDLER(prom_snapshot);
HANDLER(prom_scrape_pools);
HANDLER(prom_scrape_pool_config);
HANDLER(prom_relabel_steps);
HANDLER(prom_tsdb_blocks);
HANDLER(prom_self_metrics);
HANDLER(prom_targets_metadata);
HANDLER(prom_alertmanagers);
HANDLER(prom_walreplay);
HANDLER(prom_search_metric_names);
HANDLER(prom_search_label_names);
HANDLER(prom_search_label_values);
HANDLER(prom_notifications);
HANDLER(prom_notifications_live);
HANDLER(prom_features);
HANDLER(queries_list);
HANDLER(queries_cancel);
HANDLER(prom_query);
HANDLER(prom_query_range);
HANDLER(prom_format_query);
HANDLER(prom_labels);
HANDLER(prom_label_values);
HANDLER(prom_series);
HANDLER(prom_metadata);
HANDLER(prom_delete_series);
HANDLER(prom_targets);
HANDLER(prom_buildinfo);
HANDLER(prom_runtimeinfo);
HANDLER(prom_flags);
HANDLER(prom_config);

/* alert_rules.c */
HANDLER(prom_rules);
HANDLER(prom_alerts);
HANDLER(loki_rules_state);
HANDLER(loki_alerts_state);

/* loki_rules.c */
HANDLER(loki_rules_get);
HANDLER(loki_rules_post);
HANDLER(loki_rules_delete);

HANDLER(stoa_review);

/* loki_query.c, loki_meta.c */
HANDLER(loki_query);
HANDLER(loki_query_range);
HANDLER(loki_labels);
HANDLER(loki_label_values);
HANDLER(loki_series);
HANDLER(loki_format_query);
HANDLER(loki_buildinfo);
HANDLER(loki_ready);

/* loki_index.c */
HANDLER(loki_index_stats);
HANDLER(loki_index_volume);
HANDLER(loki_index_shards);
HANDLER(loki_index_volume_range);
HANDLER(loki_detected_field_values);
HANDLER(loki_drilldown_limits);

/* loki_delete.c */
HANDLER(loki_delete);
HANDLER(loki_delete_list);
HANDLER(loki_delete_cancel);

/* loki_legacy.c */
HANDLER(loki_legacy_query);
HANDLER(loki_config);
HANDLER(loki_services);

/* export_http.c */
HANDLER(logs_export);

/* search_http.c */
HANDLER(search_lines);
HANDLER(search_logql);

/* follow_http.c */
HANDLER(loki_tail);
HANDLER(follow_lines);

/* jaeger.c */
HANDLER(jaeger_services);
HANDLER(jaeger_operations);
HANDLER(jaeger_operations_v2);
HANDLER(jaeger_search);
HANDLER(jaeger_trace);
HANDLER(jaeger_dependencies);

/* jaeger_metrics.c */
HANDLER(jaeger_metrics);
/* jaeger_v3.c */
HANDLER(jaeger_v3_services);
HANDLER(jaeger_v3_operations);
HANDLER(jaeger_v3_traces);
HANDLER(jaeger_v3_trace);

/* tempo.c, tempo_search.c, tempo_tags.c, tempo_metrics.c: Tempo's API */
HANDLER(tempo_echo);
HANDLER(tempo_buildinfo);
HANDLER(tempo_trace);
HANDLER(tempo_trace_v2);
HANDLER(tempo_search);
HANDLER(tempo_search_grpc);
HANDLER(tempo_metrics_range);
HANDLER(tempo_metrics_instant);
HANDLER(tempo_tags);
HANDLER(tempo_tags_v2);
HANDLER(tempo_tag_values);
HANDLER(tempo_tag_values_v2);

/* zipkin_query.c: https://zipkin.io/zipkin-api/ */
HANDLER(zipkin_services);
HANDLER(zipkin_spans);
HANDLER(zipkin_remote_services);
HANDLER(zipkin_traces);
HANDLER(zipkin_trace);
HANDLER(zipkin_trace_many);
HANDLER(zipkin_dependencies);
HANDLER(zipkin_autocomplete_keys);
HANDLER(zipkin_autocomplete_values);

/* ingest_http.c */
HANDLER(ingest_prom_write);
HANDLER(ingest_loki_push);
HANDLER(ingest_otlp_metrics);
HANDLER(ingest_otlp_logs);
HANDLER(ingest_otlp_traces);
HANDLER(ingest_zipkin);
HANDLER(ingest_zipkin_v1);
HANDLER(ingest_jaeger);
HANDLER(ingest_otlp_metrics_grpc);
HANDLER(ingest_otlp_logs_grpc);
HANDLER(ingest_lines);
HANDLER(ingest_lines);
HANDLER(ingest_otlp_traces_grpc);

/* elastic_http.c: Elasticsearch's */
HANDLER(elastic_about);
HANDLER(elastic_bulk);
HANDLER(elastic_doc);
HANDLER(elastic_create);
HANDLER(elastic_other);

/* splunk_http.c: Splunk's HTTP Event Collector */
HANDLER(splunk_event);
HANDLER(splunk_raw);
HANDLER(splunk_health);
HANDLER(splunk_ack);

/* stoa.c: our own API */
HANDLER(stoa_status);
HANDLER(stoa_services);
/* golden_rules.c */
HANDLER(stoa_golden_rules);
HANDLER(stoa_service);
HANDLER(stoa_tools);

/* service_map.c, error_groups.c, calls.c, deploys.c: what falls out of spans */
HANDLER(service_map_http);
HANDLER(error_groups_http);
HANDLER(calls_http);
HANDLER(deploys_http);

/* redact_http.c */
HANDLER(redaction_get);
HANDLER(redaction_try);

/* cardinality.c */
HANDLER(prom_tsdb);
HANDLER(cardinality_get);

/* cost.c, erase.c */
HANDLER(cost_get);
HANDLER(erase_post);
HANDLER(erase_list);

HANDLER(stoa_flush);
HANDLER(stoa_merge);

/* auth_http.c: accounts and the audit log */
HANDLER(auth_login_http);
HANDLER(auth_logout_http);
HANDLER(auth_me);
HANDLER(auth_users);
HANDLER(auth_user_add);
HANDLER(auth_user_change);
HANDLER(auth_user_remove);
HANDLER(auth_tokens);
HANDLER(auth_token_create);
HANDLER(auth_token_revoke);
HANDLER(auth_audit);
HANDLER(auth_audit_verify);

/* prom_query.c: format_query of any language */
void api_format_query(const struct query_lang *lang, uint32_t features, struct http_exchange *x);

/* probe_http.c: synthetic checks */
HANDLER(probe_http_checks);
HANDLER(probe_http_runs);
HANDLER(probe_http_run);
HANDLER(probe_http_config);
HANDLER(probe_http_results);
HANDLER(probe_http_probe);

/* rum_http.c: real users */
HANDLER(rum_http_post);
HANDLER(rum_http_preflight);
HANDLER(rum_http_report);

/* statsd_http.c */
HANDLER(statsd_http_post);
void statsd_http_metrics(struct api *api, struct buf *out);

/* push_http.c: Pushgateway */
HANDLER(push_http_put);
HANDLER(push_http_delete);
HANDLER(push_http_list);
struct push;
void push_http_metrics(struct push *p, struct buf *out);

/* log_fields.c, log_kinds.c, volume.c: reports about logs */
HANDLER(loki_detected_fields);
HANDLER(loki_detected_labels);
HANDLER(log_kinds_http);
HANDLER(volume_http);

/* patterns.c */
HANDLER(loki_patterns);
HANDLER(patterns_http);

/* boards.c */
HANDLER(boards_list);
HANDLER(boards_get);
HANDLER(boards_put);
HANDLER(boards_delete);

/* incidents.c */
HANDLER(incidents_list);
HANDLER(incidents_get);
HANDLER(incidents_ack);
HANDLER(incidents_resolve);
HANDLER(incidents_notifications);

/* alertmanager.c: Alertmanager's API v2 */
HANDLER(am_status);
HANDLER(am_receivers);
HANDLER(am_alerts);
HANDLER(am_alerts_post);
HANDLER(am_groups);
HANDLER(am_silences);
HANDLER(am_silence);
HANDLER(am_silence_post);
HANDLER(am_silence_delete);

/* correlate_http.c: one request over all signals, folded labels, exemplars */
HANDLER(correlate_get);
HANDLER(correlation_get);
HANDLER(prom_query_exemplars);
struct fold;
void correlation_metrics(struct fold *f, struct buf *out);

/* page.c: the web page and the manual */
HANDLER(page_serve);

#endif
