# SPDX-License-Identifier: Apache-2.0
"""The article's infrastructure section: its prometheus.yml as it stands, and what of a machine is known without any exporter.

The node exporter is Debian's; Docker's endpoint is a page in the engine's form (docker_metrics.txt), as no engine runs here. A port of
the article's that is taken is changed in the file, and the test says so."""
import http.server
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import threading

import article
import harness

EXPORTER = harness.ROOT / "build" / "peers" / "prometheus-node-exporter" / "usr" / "bin" / "prometheus-node-exporter"
PAGE = pathlib.Path(__file__).with_name("docker_metrics.txt").read_bytes()
FIXTURE = harness.ROOT / "test" / "fixtures" / "host"
BESIDE = "host: {enabled: false}\nlogs: {journal: false, files: []}\nself: {enabled: false}\n"
OWN = "host:\n  interval: 1s\n%slogs: {journal: false, files: []}\nself: {enabled: false}\n"


class Docker(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/metrics" else 404)
        self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.end_headers()
        self.wfile.write(PAGE if self.path == "/metrics" else b"")

    def log_message(self, *args):
        pass


def is_free(port):
    try:
        with socket.create_server(("127.0.0.1", port)):
            return True
    except OSError:
        return False


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class PrometheusYml(harness.Case):
    def test_it_runs_unchanged(self):
        r = subprocess.run([str(harness.ROOT / "tools" / "peers.sh"), "prometheus-node-exporter"], capture_output=True, text=True)
        self.assertEqual(r.returncode, 0, r.stderr)
        ports = {9100: 9100, 9323: 9323}
        for port in ports:
            if not is_free(port):
                ports[port] = free_port()
                print(f"port {port} is taken here: prometheus.yml is run with {ports[port]}", file=sys.stderr)
        text = article.snippet("prometheus.yml", changes={f"localhost:{a}": f"localhost:{b}" for a, b in ports.items() if a != b})
        exporter = subprocess.Popen([str(EXPORTER), f"--web.listen-address=127.0.0.1:{ports[9100]}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(exporter.wait)
        self.addCleanup(exporter.kill)
        docker = http.server.ThreadingHTTPServer(("127.0.0.1", ports[9323]), Docker)
        threading.Thread(target=docker.serve_forever, args=(0.05,), daemon=True).start()
        self.addCleanup(docker.server_close)
        self.addCleanup(docker.shutdown)
        folder = tempfile.mkdtemp(prefix="stoa-article-")
        path = os.path.join(folder, "prometheus.yml")
        with open(path, "w") as f:
            f.write(text)
        s = self.server(quiet=False, config=BESIDE, args=["--config", path])
        for job in ("node-exporter", "docker"):  # every 15 s, at a place of its own in them
            got = self.eventually(lambda: [r for r in s.query(f'up{{job="{job}"}}') if r["value"][1] == "1"], seconds=40, what=f"{job} to be up")
            self.assertTrue(got[0]["metric"]["instance"].startswith("localhost:"))
        self.assertEqual(s.query('engine_daemon_container_states_containers{state="running"}')[0]["value"][1], "5")
        self.assertEqual(s.query("engine_daemon_engine_info")[0]["metric"]["version"], "27.3.1")
        median = s.query('histogram_quantile(0.5, engine_daemon_container_actions_seconds_bucket{action="create"})')
        self.assertAlmostEqual(float(median[0]["value"][1]), 0.03875, 6)
        self.assertTrue(s.query('node_memory_MemTotal_bytes{job="node-exporter"}'))
        self.assertEqual(s.get("/api/v1/targets").json["data"]["activeTargets"][0]["scrapeInterval"], "15s")


class WithoutExporter(harness.Case):
    # The article's list of what to monitor: a query each that must give something on any Linux machine.
    WATCHED = {
        "CPU usage": '1 - avg(rate(node_cpu_seconds_total{mode="idle"}[1m]))', "load": "node_load1",
        "memory": "1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes", "swap": "node_memory_SwapTotal_bytes - node_memory_SwapFree_bytes",
        "disk space": 'node_filesystem_avail_bytes / node_filesystem_size_bytes', "disk I/O": "rate(node_disk_read_bytes_total[1m])",
        "network": "rate(node_network_receive_bytes_total[1m])", "processes": "namedprocess_namegroup_num_procs",
        "processes by state": "node_processes_state", "memory of processes": 'namedprocess_namegroup_memory_bytes{memtype="resident"}',
    }

    def test_what_the_article_watches_is_there_at_once(self):
        s = self.server(quiet=False, config=OWN % "")
        for what, query in self.WATCHED.items():
            with self.subTest(what):
                if what == "disk I/O" and not os.listdir("/sys/block"):
                    continue
                got = self.eventually(lambda: s.query(query), what=what)
                self.assertTrue(all(r["value"][1] != "NaN" for r in got))

    def test_containers_by_the_tree_of_cgroups(self):
        paths = f"  paths: {{proc: '{FIXTURE}/proc', sys: '{FIXTURE}/sys', rootfs: '{FIXTURE}/root'}}\n"
        s = self.server(quiet=False, config=OWN % paths)
        web = self.eventually(lambda: s.query('container_memory_working_set_bytes{name="web"}'), what="the container")
        self.assertEqual(web[0]["value"][1], "240000000")
        self.assertEqual(web[0]["metric"]["image"], "registry.example/web:1.4")
        self.assertEqual({r["metric"]["name"] for r in s.query("container_last_seen")}, {"web", "api", "cart", "box", "deb"})
        # As dashboards for cAdvisor ask.
        full = s.query('container_memory_working_set_bytes{name!=""} / (container_spec_memory_limit_bytes{name!=""} > 0)')
        self.assertEqual({r["metric"]["name"]: round(float(r["value"][1]), 3) for r in full}, {"web": 0.447})


if __name__ == "__main__":
    harness.main()
