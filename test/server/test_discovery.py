# SPDX-License-Identifier: Apache-2.0
"""Discovery of targets by DNS and Kubernetes, against small servers of our own: labels as Prometheus documents them, and what happens
when a source fails. And the keys of prometheus.yml: each is served, warned about by name, or an error with a line."""
import base64
import http.server
import json
import pathlib
import re
import shutil
import socket
import ssl
import struct
import subprocess
import tempfile
import threading
import urllib.parse

import harness

TOKEN = "a-token"
FIXTURES = harness.ROOT / "test" / "fixtures" / "kubernetes"


class Dns(threading.Thread):
    """A few records by UDP. records: (name, type) -> list of bytes; a missing name does not exist; broken: no answer but SERVFAIL."""

    def __init__(self, records):
        super().__init__(daemon=True)
        self.records, self.broken = records, False
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.socket.getsockname()[1]
        self.start()

    def run(self):
        while True:
            try:
                question, peer = self.socket.recvfrom(4096)
            except OSError:
                return
            name, at = [], 12
            while question[at]:
                name.append(question[at + 1:at + 1 + question[at]].decode())
                at += 1 + question[at]
            kind = struct.unpack(">H", question[at + 1:at + 3])[0]
            known = {n for n, _ in self.records}
            code = 2 if self.broken else 0 if ".".join(name) in known else 3
            found = [] if code else self.records.get((".".join(name), kind), [])
            answer = question[:2] + struct.pack(">HHHHH", 0x8180 | code, 1, len(found), 0, 0) + question[12:at + 5]
            for data in found:
                answer += b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 60, len(data)) + data
            self.socket.sendto(answer, peer)


def host(name):
    return b"".join(bytes([len(p)]) + p.encode() for p in name.split(".")) + b"\0"


class Kubernetes(http.server.ThreadingHTTPServer):
    """An API server: the fixtures at first, then what a test puts and removes; lists in pages of two, and watches, for who has the token.

    Each change is an event with a version, kept for who watches from before it. dropped: watches end in the middle of the next event."""
    KINDS = r"/(?:api/v1|apis/(?:discovery\.k8s\.io|networking\.k8s\.io|apps|batch)/v1)(?:/namespaces/([^/]+))?/(\w+)"
    daemon_threads = True

    def __init__(self, user=None):
        self.asked, self.broken, self.user = [], False, user
        self.objects = {f.stem: json.loads(f.read_text()) for f in FIXTURES.glob("*.json")}
        self.version, self.events, self.oldest, self.ended = 100, [], 100, False
        self.torn = self.hang_up = self.garble = 0
        self.changed = threading.Condition()
        super().__init__(("127.0.0.1", 0), self.Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        pass # a client that does not believe our certificate, or went away

    def end(self):
        with self.changed:
            self.ended = True
            self.changed.notify_all()
        self.shutdown()
        self.server_close()

    def tell(self, kind, type_, item):
        """item becomes (or, DELETED, is no longer) one of kind, and who watches hears of it."""
        with self.changed:
            same = lambda i: (i["metadata"].get("namespace"), i["metadata"]["name"]) == (item["metadata"].get("namespace"), item["metadata"]["name"])
            self.objects[kind] = [i for i in self.objects[kind] if not same(i)] + ([] if type_ == "DELETED" else [item])
            self.version += 1
            item = dict(item, metadata=dict(item["metadata"], resourceVersion=str(self.version)))
            self.events.append((self.version, kind, {"type": type_, "object": item}))
            self.changed.notify_all()

    def tell_all(self, event, kind):
        """An event of the server itself, as a BOOKMARK or an ERROR."""
        with self.changed:
            self.version += 1
            if event["type"] == "BOOKMARK":
                event = dict(event, object={"metadata": {"resourceVersion": str(self.version)}})
            self.events.append((self.version, kind, event))
            self.changed.notify_all()

    def change_unseen(self, kind, type_, item):
        """As tell, but the history before is forgotten: who watches from earlier is told that it is gone."""
        with self.changed:
            self.tell(kind, type_, item)
            self.events.clear()
            self.oldest = self.version
            self.changed.notify_all()

    def lists(self, kind):
        return [q for path, q in self.asked if path.endswith("/" + kind) and "watch" not in q and "continue" not in q]

    def watches(self, kind):
        return [q for path, q in self.asked if path.endswith("/" + kind) and "watch" in q]

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            k = self.server
            u = urllib.parse.urlparse(self.path)
            q = dict(urllib.parse.parse_qsl(u.query))
            k.asked.append((u.path, q))
            m = re.fullmatch(k.KINDS, u.path)
            wanted = "Bearer " + TOKEN
            if k.user:
                wanted = "Basic " + base64.b64encode(k.user.encode()).decode()
            if self.headers.get("Authorization") != wanted or k.broken or not m:
                return self.send(403, {"kind": "Status", "message": f"{u.path} is forbidden", "code": 403})
            if q.get("watch") == "1":
                return self.watch(m[1], m[2], int(q["resourceVersion"]))
            with k.changed:
                items = [i for i in k.objects[m[2]] if not m[1] or i["metadata"].get("namespace") == m[1]]
                start = int(q.get("continue", "0"))
                more = {"continue": str(start + 2)} if start + 2 < len(items) else {}
                page = {"kind": "List", "metadata": {"resourceVersion": str(k.version), **more}, "items": items[start:start + 2]}
            self.send(200, page)

        def send(self, status, value):
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def watch(self, space, kind, version):
            k = self.server
            if version < k.oldest:
                return self.send(410, {"kind": "Status", "message": "too old resource version", "code": 410})
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers() # no length: it ends when the connection does
            self.wfile.flush()
            with k.changed:
                while not k.ended:
                    if version < k.oldest:
                        self.wfile.write(json.dumps({"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired",
                                                                                 "message": "too old resource version"}}).encode() + b"\n")
                        return None
                    for at, of, event in [e for e in k.events if e[0] > version]:
                        version = at
                        if of != kind or (space and event["object"]["metadata"].get("namespace", space) != space):
                            continue
                        line = json.dumps(event).encode() + b"\n"
                        if k.garble:
                            k.garble -= 1
                            line = b"{\"type\": \"MODIFIED\", \"object\": [1,\n"
                        if k.torn:
                            k.torn -= 1
                            self.wfile.write(line[:len(line) // 2])
                            return None
                        self.wfile.write(line)
                    if k.hang_up:
                        k.hang_up -= 1
                        return None
                    k.changed.wait()

        def log_message(self, *unused):
            pass


class Discovery(harness.Case):
    def found(self, s, count):
        """address -> its discovered labels, without those of every target."""
        def ask():
            data = s.get("/api/v1/targets").json["data"]
            return data["activeTargets"] if len(data["activeTargets"]) == count else None
        targets = self.eventually(ask, what=f"{count} targets")
        usual = ("__scheme__", "__metrics_path__", "__scrape_interval__", "__scrape_timeout__", "job")
        return [{k: v for k, v in t["discoveredLabels"].items() if k not in usual} for t in targets]

    def sources(self, s):
        return s.get("/api/v1/targets").json["data"]["discovery"]

    def config(self, job, top=""):
        return f"{top}\nscrape_configs:\n  - job_name: found\n    scrape_interval: 1h\n    {job}\n"

    def kubernetes(self, role, more=""):
        k = Kubernetes()
        self.addCleanup(k.end)
        job = (f"kubernetes_sd_configs: [{{role: {role}, api_server: \"{k.url}\", "
               f"authorization: {{credentials: {TOKEN}}}{more}}}]")
        return k, self.server(config=self.config(job))

    # ---- DNS ----

    def test_dns_records_of_each_type(self):
        dns = Dns({("web.test", 1): [bytes([127, 0, 0, 3]), bytes([127, 0, 0, 2])],
                   ("six.test", 28): [socket.inet_pton(socket.AF_INET6, "::1")],
                   ("_http._tcp.test", 33): [struct.pack(">HHH", 1, 1, 8080) + host("a.test")],
                   ("mail.test", 15): [struct.pack(">H", 10) + host("mx.test")]})
        jobs = ("dns_sd_configs:\n"
                "      - {names: [web.test, none.test], type: A, port: 9100}\n      - {names: [six.test], type: AAAA, port: 9100}\n"
                "      - {names: [_http._tcp.test]}\n      - {names: [mail.test], type: MX, port: 25}")
        s = self.server(config=self.config(jobs, f"dns: {{servers: [\"{dns.address}\"]}}"))
        got = {t.pop("__address__"): t for t in self.found(s, 5)}
        self.assertEqual(got, {
            "127.0.0.2:9100": {"__meta_dns_name": "web.test"},
            "127.0.0.3:9100": {"__meta_dns_name": "web.test"},
            "[::1]:9100": {"__meta_dns_name": "six.test"},
            "a.test:8080": {"__meta_dns_name": "_http._tcp.test", "__meta_dns_srv_record_target": "a.test.", "__meta_dns_srv_record_port": "8080"},
            "mx.test:25": {"__meta_dns_name": "mail.test", "__meta_dns_mx_record_target": "mx.test."}})

    def test_dns_that_fails_keeps_the_last_good_targets_and_says_so(self):
        dns = Dns({("web.test", 1): [bytes([127, 0, 0, 2])]})
        s = self.server(config=self.config("dns_sd_configs: [{names: [web.test], type: A, port: 9, refresh_interval: 1s}]",
                                           f"dns: {{servers: [\"{dns.address}\"]}}"))
        self.found(s, 1)
        dns.broken = True
        broken = self.eventually(lambda: [x for x in self.sources(s) if x["lastError"]], what="the error", seconds=40)[0]
        self.assertEqual((broken["scrapePool"], broken["mechanism"], broken["source"]), ("found", "dns", "web.test"))
        self.assertIn("web.test", broken["lastError"])
        self.found(s, 1)
        failures = re.search(r'stoa_sd_refresh_failures_total\{mechanism="dns"\} (\d+)', s.get("/metrics").text)
        self.assertGreaterEqual(int(failures[1]), 1)
        dns.broken = False
        dns.records[("web.test", 1)].append(bytes([127, 0, 0, 3]))
        self.found(s, 2)
        self.assertEqual(self.sources(s)[0]["lastError"], "")

    # ---- Kubernetes ----

    def labels(self, found, address):
        for labels in found:
            if labels["__address__"] == address:
                return {k.replace("__meta_kubernetes_", ""): v for k, v in labels.items() if k != "__address__"}
        self.fail(f"{address} is not among {[x['__address__'] for x in found]}")

    def test_nodes(self):
        _, s = self.kubernetes("node")
        found = self.found(s, 2)
        self.assertEqual(self.labels(found, "10.0.0.11:10250"), {
            "instance": "worker-1", "node_name": "worker-1", "node_provider_id": "example:///worker-1",
            "node_label_kubernetes_io_arch": "amd64", "node_labelpresent_kubernetes_io_arch": "true", "node_label_zone": "eu-1",
            "node_labelpresent_zone": "true", "node_annotation_note": "rack 7", "node_annotationpresent_note": "true",
            "node_address_Hostname": "worker-1", "node_address_InternalIP": "10.0.0.11", "node_address_ExternalIP": "192.0.2.11"})
        self.assertEqual(self.labels(found, "worker-2:10250")["node_name"], "worker-2")

    def test_pods(self):
        k, s = self.kubernetes("pod", ", attach_metadata: {node: true}, selectors: [{role: pod, label: 'app in (a, b)', field: status.phase=Running}]")
        found = self.found(s, 5) # two containers without a port have one address, and are one target
        http_port = self.labels(found, "10.1.0.5:8080")
        self.assertEqual(len(http_port.pop("pod_annotation_long")), 4096)
        self.assertEqual(http_port, {
            "namespace": "shop", "pod_name": "cart-6d4", "pod_ip": "10.1.0.5", "pod_ready": "true", "pod_phase": "Running",
            "pod_node_name": "worker-1", "pod_host_ip": "10.0.0.11", "pod_uid": "uid-cart", "pod_controller_kind": "ReplicaSet",
            "pod_controller_name": "cart", "pod_label_app": "cart", "pod_labelpresent_app": "true",
            "pod_label_app_kubernetes_io_part_of": "shop", "pod_labelpresent_app_kubernetes_io_part_of": "true",
            "pod_annotation_prometheus_io_scrape": "true", "pod_annotationpresent_prometheus_io_scrape": "true", "pod_annotationpresent_long": "true",
            "pod_container_name": "app", "pod_container_id": "containerd://abc", "pod_container_image": "cart:2", "pod_container_init": "false",
            "pod_container_port_name": "http", "pod_container_port_number": "8080", "pod_container_port_protocol": "TCP",
            "node_name": "worker-1", "node_label_kubernetes_io_arch": "amd64", "node_labelpresent_kubernetes_io_arch": "true",
            "node_label_zone": "eu-1", "node_labelpresent_zone": "true", "node_annotation_note": "rack 7", "node_annotationpresent_note": "true"})
        self.assertIn(self.labels(found, "10.1.0.5")["pod_container_name"], ("sidecar", "setup"))
        six = self.labels(found, "[fd00::5]:80")
        self.assertEqual((six["pod_ready"], six["pod_container_port_protocol"]), ("false", "UDP"))
        nowhere = self.pod("nowhere", "10.1.9.1")
        nowhere["spec"]["nodeName"] = "not-a-node" # a selector of nodes chooses pods, too
        k.tell("pods", "ADDED", nowhere)
        k.tell("pods", "ADDED", self.pod("somewhere", "10.1.9.2"))
        self.assertNotIn("10.1.9.1:80", self.address(s, "10.1.9.2:80"))
        asked = [q for path, q in k.asked if path == "/api/v1/pods"]
        self.assertEqual(asked[0], {"limit": "500", "labelSelector": "app in (a, b)", "fieldSelector": "status.phase=Running"})
        self.assertEqual(asked[1]["continue"], "2")

    def test_services_in_chosen_namespaces(self):
        k, s = self.kubernetes("service", ", namespaces: {names: [shop, infra]}")
        found = self.found(s, 4)
        self.assertEqual(self.labels(found, "cart.shop.svc:80"), {
            "namespace": "shop", "service_name": "cart", "service_label_tier": "web", "service_labelpresent_tier": "true",
            "service_annotation_team": "blue", "service_annotationpresent_team": "true", "service_port_name": "http",
            "service_port_number": "80", "service_port_protocol": "TCP", "service_type": "ClusterIP", "service_cluster_ip": "10.9.0.1"})
        self.assertEqual(self.labels(found, "outside.shop.svc:5432")["service_external_name"], "db.example.com")
        self.assertEqual(self.labels(found, "front.shop.svc:443")["service_loadbalancer_ip"], "192.0.2.80")
        self.assertEqual({path for path, _ in k.asked}, {"/api/v1/namespaces/shop/services", "/api/v1/namespaces/infra/services"})

    def test_endpoints_with_their_service_and_pods(self):
        _, s = self.kubernetes("endpoints")
        found = self.found(s, 3)
        ready = self.labels(found, "10.1.0.5:8080")
        for name, value in {"namespace": "shop", "endpoints_name": "cart", "endpoints_label_endpoints": "yes", "endpoint_ready": "true",
                            "endpoint_port_name": "http", "endpoint_port_protocol": "TCP", "endpoint_hostname": "cart-0",
                            "endpoint_node_name": "worker-1", "endpoint_address_target_kind": "Pod", "endpoint_address_target_name": "cart-6d4",
                            "service_name": "cart", "service_label_tier": "web", "service_annotation_team": "blue", "pod_name": "cart-6d4",
                            "pod_container_name": "app", "pod_container_port_name": "http"}.items():
            self.assertEqual(ready.get(name), value, name)
        self.assertEqual(self.labels(found, "10.1.0.7:8080")["endpoint_ready"], "false")
        other = self.labels(found, "10.1.0.5:9100")
        self.assertEqual((other["pod_container_port_number"], other["service_name"], "endpoint_ready" in other), ("9100", "cart", False))

    def test_endpointslices(self):
        _, s = self.kubernetes("endpointslice")
        found = self.found(s, 3)
        ready = self.labels(found, "10.1.0.5:8080")
        for name, value in {"endpointslice_name": "cart-x7", "endpointslice_address_type": "IPv4", "endpointslice_port": "8080",
                            "endpointslice_port_name": "http", "endpointslice_port_protocol": "TCP", "endpointslice_port_app_protocol": "http",
                            "endpointslice_endpoint_conditions_ready": "true", "endpointslice_endpoint_conditions_serving": "true",
                            "endpointslice_endpoint_conditions_terminating": "false", "endpointslice_endpoint_hostname": "cart-0",
                            "endpointslice_endpoint_node_name": "worker-1", "endpointslice_endpoint_zone": "eu-1",
                            "endpointslice_address_target_kind": "Pod", "endpointslice_address_target_name": "cart-6d4",
                            "endpointslice_label_kubernetes_io_service_name": "cart", "service_name": "cart", "pod_name": "cart-6d4"}.items():
            self.assertEqual(ready.get(name), value, name)
        self.assertEqual(self.labels(found, "10.1.0.7:8080")["endpointslice_endpoint_conditions_ready"], "false")

    def test_ingresses(self):
        _, s = self.kubernetes("ingress")
        found = {(x["__address__"], x["__meta_kubernetes_ingress_path"]): x for x in
                 [t["discoveredLabels"] for t in self.eventually(lambda: s.get("/api/v1/targets").json["data"]["activeTargets"])]}
        # Targets that differ only in labels we drop are one target; relabelling tells them apart.
        self.assertEqual({a for a, _ in found}, {"shop.example.com", "plain.test", "*"})
        shop = next(x for (a, _), x in found.items() if a == "shop.example.com")
        self.assertEqual({k: shop["__meta_kubernetes_" + k] for k in ("namespace", "ingress_name", "ingress_class_name", "ingress_scheme",
                                                                      "ingress_host", "ingress_label_l")},
                         {"namespace": "shop", "ingress_name": "web", "ingress_class_name": "nginx", "ingress_scheme": "https",
                          "ingress_host": "shop.example.com", "ingress_label_l": "1"})
        self.assertEqual(next(x for (a, _), x in found.items() if a == "plain.test")["__meta_kubernetes_ingress_scheme"], "http")

    def test_a_server_that_refuses_is_told(self):
        k, s = self.kubernetes("node", "")
        self.found(s, 2)
        k.broken = True
        k2 = Kubernetes()
        self.addCleanup(k2.end)
        s2 = self.server(config=self.config(f"kubernetes_sd_configs: [{{role: pod, api_server: \"{k2.url}\"}}]"))
        error = self.eventually(lambda: [x["lastError"] for x in self.sources(s2) if x["lastError"]], what="the error")[0]
        self.assertIn("pods: server returned HTTP status 403: /api/v1/pods is forbidden", error)
        self.found(s, 2)

    # ---- watches ----

    def pod(self, name, ip, space="shop", **meta):
        return {"metadata": {"name": name, "namespace": space, "uid": "u-" + name, **meta}, "spec": {"nodeName": "worker-1", "containers": [
            {"name": "app", "image": "i:1", "ports": [{"containerPort": 80}], "env": [{"name": "UNSEEN", "value": "x"}]}]},
            "status": {"podIP": ip, "phase": "Running"}}

    def address(self, s, address, is_there=True):
        def ask():
            all_ = [t["discoveredLabels"]["__address__"] for t in s.get("/api/v1/targets").json["data"]["activeTargets"]]
            return all_ if (address in all_) == is_there else None
        return self.eventually(ask, what=f"{address} {'there' if is_there else 'gone'}", seconds=60)

    def counter(self, s, name):
        return int(re.search(rf"^{name} (\d+)$", s.get("/metrics").text, re.M)[1])

    def test_pods_come_change_and_go_by_events_without_another_list(self):
        k, s = self.kubernetes("pod")
        before = self.found(s, 5)
        self.eventually(lambda: k.watches("pods"), what="the watch")
        self.assertEqual({n: k.watches("pods")[0][n] for n in ("watch", "allowWatchBookmarks", "resourceVersion")},
                         {"watch": "1", "allowWatchBookmarks": "true", "resourceVersion": "100"})
        k.tell("pods", "ADDED", self.pod("late", "10.1.9.9"))
        self.address(s, "10.1.9.9:80")
        self.assertEqual(len(self.found(s, 6)), len(before) + 1)
        k.tell("pods", "MODIFIED", self.pod("late", "10.1.9.10", labels={"v": "2"}))
        self.address(s, "10.1.9.10:80")
        self.assertEqual(self.labels(self.found(s, 6), "10.1.9.10:80")["pod_label_v"], "2")
        k.tell_all({"type": "BOOKMARK"}, "pods")
        k.tell("pods", "DELETED", self.pod("late", "10.1.9.10"))
        self.address(s, "10.1.9.10:80", is_there=False)
        self.found(s, 5)
        self.assertEqual((len(k.lists("pods")), len(k.watches("pods"))), (1, 1))
        source = self.sources(s)[0]
        self.assertEqual((source["refreshes"], source["failures"], source["watchEvents"], source["watchRestarts"], source["lastError"]), (1, 0, 4, 0, ""))
        self.assertGreaterEqual(source["updates"], 4)
        self.assertEqual((self.counter(s, "stoa_sd_watch_events_total"), self.counter(s, "stoa_sd_watch_restarts_total")), (4, 0))
        self.assertEqual(self.counter(s, r'stoa_sd_refreshes_total\{mechanism="kubernetes"\}'), 1)

    def test_what_labels_are_not_made_of_is_no_update(self):
        k, s = self.kubernetes("pod")
        self.found(s, 5)
        k.tell("pods", "ADDED", self.pod("late", "10.1.9.9"))
        self.address(s, "10.1.9.9:80")
        updates = self.sources(s)[0]["updates"]
        k.tell("pods", "MODIFIED", dict(self.pod("late", "10.1.9.9", managedFields=[{"manager": "kubelet"}]), extra=1))
        self.eventually(lambda: self.sources(s)[0]["watchEvents"] == 2, what="the event")
        k.tell("pods", "ADDED", self.pod("later", "10.1.9.11"))
        self.address(s, "10.1.9.11:80")
        self.assertEqual(self.sources(s)[0]["updates"], updates + 1)

    def test_a_version_that_is_gone_leads_to_another_list(self):
        k, s = self.kubernetes("pod")
        self.found(s, 5)
        self.eventually(lambda: k.watches("pods"), what="the watch")
        k.change_unseen("pods", "ADDED", self.pod("unseen", "10.1.9.9"))
        self.address(s, "10.1.9.9:80")
        self.assertEqual(len(k.lists("pods")), 2)
        gone = self.pod("unseen", "10.1.9.9")
        k.change_unseen("pods", "DELETED", gone)
        self.address(s, "10.1.9.9:80", is_there=False)
        self.assertEqual(len(k.lists("pods")), 3)
        self.eventually(lambda: not self.sources(s)[0]["lastError"], what="no error")
        k.tell("pods", "ADDED", self.pod("seen", "10.1.9.12"))
        self.address(s, "10.1.9.12:80")
        self.assertEqual(len(k.lists("pods")), 3)

    def test_broken_connections_and_torn_or_wrong_events_lose_nothing_and_list_nothing(self):
        k, s = self.kubernetes("pod")
        self.found(s, 5)
        self.eventually(lambda: k.watches("pods"), what="the watch")
        for n, broken in enumerate(("torn", "hang_up", "garble")):
            with k.changed:
                setattr(k, broken, 1)
            k.tell("pods", "ADDED", self.pod(broken, f"10.1.9.{n}"))
            self.address(s, f"10.1.9.{n}:80")
            self.eventually(lambda: len(k.watches("pods")) == n + 2, what="another watch", seconds=60)
        self.assertEqual(len(k.lists("pods")), 1)
        self.eventually(lambda: not self.sources(s)[0]["lastError"], what="no error")
        self.assertEqual(self.sources(s)[0]["watchRestarts"], 3)
        self.assertGreaterEqual(self.sources(s)[0]["failures"], 1)

    def test_a_server_that_goes_keeps_the_targets_and_one_that_comes_back_is_listed_again(self):
        k, s = self.kubernetes("pod")
        self.found(s, 5)
        self.eventually(lambda: k.watches("pods"), what="the watch")
        with k.changed:
            k.broken, k.hang_up = True, 1
            k.changed.notify_all()
        self.eventually(lambda: "403" in self.sources(s)[0]["lastError"], what="the error", seconds=60)
        self.found(s, 5)
        k.tell("pods", "ADDED", self.pod("meanwhile", "10.1.9.9"))
        k.broken = False
        self.address(s, "10.1.9.9:80")
        self.eventually(lambda: not self.sources(s)[0]["lastError"], what="no error", seconds=60)
        self.found(s, 6)

    def test_what_a_target_refers_to_is_watched_as_well(self):
        k, s = self.kubernetes("endpointslice", ", attach_metadata: {node: true, namespace: true}, namespaces: {names: [shop]}")
        self.assertEqual(self.labels(self.found(s, 3), "10.1.0.5:8080")["namespace_label_cost"], "web")
        for path in ("/api/v1/namespaces/shop/services", "/api/v1/namespaces/shop/pods", "/api/v1/nodes", "/api/v1/namespaces",
                     "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices"):
            self.eventually(lambda: [1 for p, q in k.asked if p == path and "watch" in q], what=f"the watch of {path}")
        k.tell("namespaces", "MODIFIED", {"metadata": {"name": "shop", "labels": {"cost": "core"}}})
        k.tell("nodes", "MODIFIED", {"metadata": {"name": "worker-1", "labels": {"zone": "eu-9"}}, "spec": {}, "status": {}})
        service = next(i for i in k.objects["services"] if i["metadata"]["name"] == "cart")
        k.tell("services", "MODIFIED", dict(service, metadata=dict(service["metadata"], labels={"tier": "back"})))
        def ask():
            got = self.labels(self.found(s, 3), "10.1.0.5:8080")
            return (got["namespace_label_cost"], got["node_label_zone"], got["service_label_tier"]) == ("core", "eu-9", "back")
        self.eventually(ask, what="the new labels", seconds=60)
        self.assertTrue(all(len(k.lists(kind)) == 1 for kind in ("pods", "services", "nodes", "namespaces", "endpointslices")))

    def test_pods_with_their_namespace_deployment_and_jobs(self):
        k, s = self.kubernetes("pod", ", attach_metadata: {namespace: true, deployment: true, job: true, cronjob: true}")
        cart = self.labels(self.found(s, 5), "10.1.0.5:8080")
        self.assertEqual((cart["pod_deployment_name"], cart["namespace_label_cost"], cart["namespace_labelpresent_cost"], cart["namespace_annotation_by"]),
                         ("cart-deployment", "web", "true", "a"))
        k.tell("jobs", "ADDED", {"metadata": {"name": "night-1", "namespace": "shop", "ownerReferences": [
            {"kind": "CronJob", "name": "night", "controller": True}]}})
        k.tell("pods", "ADDED", self.pod("n", "10.1.9.9", ownerReferences=[{"kind": "Job", "name": "night-1", "controller": True}]))
        self.eventually(lambda: self.labels(self.found(s, 6), "10.1.9.9:80").get("pod_cronjob_name") == "night" if
                        self.address(s, "10.1.9.9:80") else None, what="the cron job")
        self.assertEqual(self.labels(self.found(s, 6), "10.1.9.9:80")["pod_job_name"], "night-1")

    # ---- kubeconfig ----

    def kubeconfig(self, k, user, more=""):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="stoa-test-"))
        self.addCleanup(shutil.rmtree, folder)
        (folder / "token").write_text(TOKEN + "\n")
        (folder / "config").write_text(
            f"apiVersion: v1\nkind: Config\ncurrent-context: b\ncontexts:\n- {{name: a, context: {{cluster: x, user: x}}}}\n"
            f"- {{name: b, context: {{cluster: c, user: u}}}}\nclusters:\n- name: c\n  cluster: {{server: \"{k.url}\"{more}}}\n"
            f"users:\n- name: u\n  user: {user}\n")
        return self.server(config=self.config(f"kubernetes_sd_configs: [{{role: node, kubeconfig_file: \"{folder}/config\"}}]"))

    def test_a_kubeconfig_leads_to_the_server(self):
        for user, basic in ((f"{{token: {TOKEN}}}", None), ("{tokenFile: token}", None), ("{username: me, password: secret}", "me:secret")):
            k = Kubernetes(basic)
            self.addCleanup(k.end)
            self.found(self.kubeconfig(k, user), 2)

    def test_a_kubeconfig_that_is_not_served_is_told(self):
        k = Kubernetes()
        self.addCleanup(k.end)
        for user, more, words in (("{exec: {command: aws}}", "", "exec is not served"), ("{auth-provider: {name: gcp}}", "", "auth-provider is not served"),
                                  ("{client-certificate-data: '!'}", "", "client-certificate-data: expected base64"),
                                  ("{token: x}", ", certificate-authority-data: '!'", "certificate-authority-data: expected base64")):
            s = self.kubeconfig(k, user, more)
            error = self.eventually(lambda: [x["lastError"] for x in self.sources(s) if x["lastError"]], what="the error")[0]
            self.assertRegex(error, rf"nodes: .*config:\d+: .*{words}")
        self.assertEqual(k.asked, [])

    def test_a_kubeconfig_with_certificates_in_it_is_believed_both_ways(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="stoa-test-"))
        self.addCleanup(shutil.rmtree, folder)
        for name in ("server", "client"):
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                            f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / f"{name}.key", "-out",
                            folder / f"{name}.crt"], check=True, capture_output=True)
        k = Kubernetes()
        self.addCleanup(k.end)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "server.crt", folder / "server.key")
        context.load_verify_locations(folder / "client.crt")
        context.verify_mode = ssl.CERT_REQUIRED
        k.socket = context.wrap_socket(k.socket, server_side=True, do_handshake_on_connect=False)
        k.url = k.url.replace("http:", "https:")
        data = {n: base64.b64encode((folder / n).read_bytes()).decode() for n in ("server.crt", "client.crt", "client.key")}
        user = f"{{token: {TOKEN}, client-certificate-data: {data['client.crt']}, client-key-data: {data['client.key']}}}"
        self.found(self.kubeconfig(k, user, f", certificate-authority-data: {data['server.crt']}"), 2)
        s = self.kubeconfig(k, user)
        error = self.eventually(lambda: [x["lastError"] for x in self.sources(s) if x["lastError"]], what="the error")[0]
        self.assertIn("certificate", error)
        self.found(self.kubeconfig(k, user, ", insecure-skip-tls-verify: true"), 2)

    # ---- the keys of prometheus.yml ----

    GLOBAL = """scrape_interval scrape_timeout evaluation_interval rule_query_offset query_log_file scrape_failure_log_file external_labels
        body_size_limit sample_limit target_limit label_limit label_name_length_limit label_value_length_limit keep_dropped_targets scrape_protocols
        runtime metric_name_validation_scheme metric_name_escaping_scheme always_scrape_classic_histograms convert_classic_histograms_to_nhcb
        scrape_native_histograms extra_scrape_metrics""".split()
    TOP = "global rule_files scrape_config_files scrape_configs alerting remote_write remote_read storage tracing otlp runtime".split()
    JOB = """job_name scrape_interval scrape_timeout scrape_protocols fallback_scrape_protocol metrics_path scheme params honor_labels honor_timestamps
        track_timestamps_staleness body_size_limit sample_limit target_limit label_limit label_name_length_limit label_value_length_limit
        keep_dropped_targets scrape_failure_log_file enable_compression always_scrape_classic_histograms convert_classic_histograms_to_nhcb
        scrape_native_histograms native_histogram_bucket_limit native_histogram_min_bucket_factor metric_name_validation_scheme
        metric_name_escaping_scheme extra_scrape_metrics relabel_configs metric_relabel_configs basic_auth authorization oauth2 follow_redirects
        enable_http2 tls_config proxy_url no_proxy proxy_from_environment proxy_connect_header http_headers static_configs file_sd_configs
        http_sd_configs dns_sd_configs kubernetes_sd_configs azure_sd_configs consul_sd_configs digitalocean_sd_configs docker_sd_configs
        dockerswarm_sd_configs ec2_sd_configs eureka_sd_configs gce_sd_configs hetzner_sd_configs ionos_sd_configs kuma_sd_configs
        lightsail_sd_configs linode_sd_configs marathon_sd_configs nerve_sd_configs nomad_sd_configs openstack_sd_configs ovhcloud_sd_configs
        puppetdb_sd_configs scaleway_sd_configs serverset_sd_configs stackit_sd_configs triton_sd_configs uyuni_sd_configs vultr_sd_configs""".split()

    def check(self, text):
        path = self.folder / "c.yml"
        path.write_text(text)
        r = subprocess.run([harness.BINARY, "check", "config", str(path)], capture_output=True, text=True)
        return r.returncode, r.stdout + r.stderr

    def test_every_key_of_prometheus_is_known_and_others_are_errors(self):
        with tempfile.TemporaryDirectory() as folder:
            self.folder = pathlib.Path(folder)
            for key in self.TOP:
                _, text = self.check(f"{key}:\n")
                self.assertNotIn("unknown", text, key)
            for key in self.GLOBAL:
                _, text = self.check(f"global:\n  {key}:\n")
                self.assertNotIn("unknown", text, key)
            for key in self.JOB:
                _, text = self.check(f"scrape_configs:\n  - job_name: j\n    {key}:\n" if key != "job_name" else "scrape_configs:\n  - job_name: j\n")
                self.assertNotIn("unknown", text, key)
            for wrong, line, near in (("scrape_config: []\n", 1, "scrape_configs"), ("global:\n  scrape_intervall: 1s\n", 2, "scrape_interval"),
                                      ("scrape_configs:\n  - job_name: j\n    dns_sd_config: []\n", 3, "dns_sd_configs"),
                                      ("scrape_configs:\n  - job_name: j\n    kubernetes_sd_configs: [{roles: pod}]\n", 3, "role"),
                                      ("scrape_configs:\n  - job_name: j\n    dns_sd_configs: [{name: x}]\n", 3, "names")):
                code, text = self.check(wrong)
                self.assertNotEqual(code, 0, text)
                self.assertRegex(text, rf"c\.yml:{line}: .*did you mean \"{near}\"")

    def test_keys_that_are_not_served_are_warnings_at_start_and_in_the_api(self):
        s = self.server(config="scrape_configs:\n  - job_name: j\n    consul_sd_configs: []\n    scrape_failure_log_file: x\nremote_read: []\n")
        for key, line in (("consul_sd_configs", 3), ("scrape_failure_log_file", 4), ("remote_read", 5)):
            words = f'test.yml:{line}: "{key}" is known but not served by this version'
            self.eventually(lambda: any(words.replace('"', '\\"') in l or words in l for l in s.log), what=f"{key} in the log")
            r = s.get("/api/v1/status/config").json
            self.assertTrue(any(words in w for w in r.get("warnings", [])), (key, r.get("warnings")))
            self.assertTrue(any(words in w for w in s.get("/api/stoa/v1/status").json["data"]["warnings"]), key)

    def test_settings_that_cannot_be_are_refused_with_their_line(self):
        with tempfile.TemporaryDirectory() as folder:
            self.folder = pathlib.Path(folder)
            for job, words in (("dns_sd_configs: [{names: [a], type: A}]", "port is missing"), ("dns_sd_configs: [{names: [a], type: TXT}]", "allowed are SRV"),
                               ("dns_sd_configs: [{}]", "names is missing"), ("kubernetes_sd_configs: [{role: pods, api_server: 'http://x'}]", "allowed are node"),
                               ("kubernetes_sd_configs: [{role: pod}]", "api_server is missing"),
                               ("kubernetes_sd_configs: [{role: pod, kubeconfig_file: x, api_server: 'http://x'}]", "only one of them"),
                               ("kubernetes_sd_configs: [{role: pod, kubeconfig_file: x, proxy_url: 'http://x'}]", "kubeconfig_file says how"),
                               ("kubernetes_sd_configs: [{role: pod, api_server: 'http://x', namespaces: {own_namespace: true}}]", "own_namespace is for"),
                               ("kubernetes_sd_configs: [{role: pod, api_server: 'http://x', selectors: [{role: service}]}]", "selects nothing"),
                               ("kubernetes_sd_configs: [{role: pod, api_server: 'http://x', selectors: [{role: pod}, {role: pod}]}]", "is there twice"),
                               ("kubernetes_sd_configs: [{role: pod, api_server: x}]", "expected http://")):
                code, text = self.check(f"scrape_configs:\n  - job_name: j\n    {job}\n")
                self.assertNotEqual(code, 0, job)
                self.assertRegex(text, rf"c\.yml:3: .*{words}")


if __name__ == "__main__":
    harness.main()
