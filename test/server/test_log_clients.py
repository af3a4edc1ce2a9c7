# SPDX-License-Identifier: Apache-2.0
"""Log libraries and shippers as people run them: each is configured by its snippet of docs/manual/log-clients.md, writes several hundred lines,
and is read back by LogQL."""
import collections
import contextlib
import json
import logging
import logging.handlers
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

import harness
from test_syslog import free_port

PAGE = harness.ROOT / "docs" / "manual" / "log-clients.md"
CLIENTS = harness.ROOT / "test" / "clients"
PEERS = harness.ROOT / "build" / "peers"
LIBRARY_FOLDERS = ("usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu", "lib/aarch64-linux-gnu")
LINES = 400
WORDS = 'Gr\u00fc\u00dfe \u6f22\u5b57 \U0001f680 "quoted" \\back'
PROGRAM_SECONDS_MAX = 60
# What every JavaScript logger writes; pino and winston differ in the order of arguments.
PINO = """
for (let n = 0; n < LINES; n++) log.info({ order: n, region: n % 2 ? 'eu' : 'us', meta: { customer: `c${n % 7}` } }, `order ${n} placed WORDS`);
log.debug('looked up');
log.warn('slow');
log.error(new Error('card refused'));
"""
WINSTON = """
for (let n = 0; n < LINES; n++) log.info(`order ${n} placed WORDS`, { order: n });
log.debug('looked up');
log.WARN('slow');
log.error(new Error('card refused'));
"""


def snippets(heading):
    section = PAGE.read_text(encoding="utf-8").split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return re.findall(r"```\w*\n(.*?)```", section, re.S)


def peers(*names):
    r = subprocess.run([str(harness.ROOT / "tools" / "peers.sh"), *names], capture_output=True, text=True)
    assert r.returncode == 0, r.stderr
    return ":".join(str(PEERS / n / where) for n in names for where in LIBRARY_FOLDERS)


class Clients(harness.Case):
    maxDiff = 2000

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="stoa-clients-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def syslog_server(self, tls=False):
        self.port = free_port()
        more = ""
        if tls:
            self.certificate = os.path.join(self.folder, "cert.pem")
            key = os.path.join(self.folder, "key.pem")
            subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", self.certificate, "-days", "2",
                            "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
            more = f", tls: {{cert_file: {self.certificate}, key_file: {key}}}"
        return self.server(config=f"listeners:\n  - {{dialect: syslog, address: \"127.0.0.1:{self.port}\"{more}}}\n")

    def file_server(self, config):
        config = config.replace("/var/log/shop", self.folder).replace("logs:\n", "logs:\n  journal: false\n")
        return self.server(quiet=False, config=f"host: {{enabled: false}}\nself: {{enabled: false}}\n{config}")

    def lines(self, s, query, count, seconds=20):
        """[(labels, line)], oldest first, once there are count of them, and not one more a little later."""
        def ask():
            found = s.logs(query, limit=5000, start=str(time.time_ns() - 3600 * 10 ** 9), direction="forward")
            return sorted((int(v[0]), v[1], sorted(x["stream"].items())) for x in found for v in x["values"])
        self.last = []
        def enough():
            self.last = ask()
            return len(self.last) >= count
        try:
            self.eventually(enough, seconds=seconds, what=query)
        except AssertionError as e:
            raise AssertionError(f"{len(self.last)} of {count}: {self.last[-3:]}") from e
        found = ask()
        self.assertEqual(len(found), count, query)
        return [(dict(labels), line) for _, line, labels in found]

    def run_node(self, program, wait=True):
        r = subprocess.run([str(CLIENTS / "install.sh")], capture_output=True, text=True)
        self.assertEqual(r.returncode, 0, r.stderr)
        modules = os.path.join(self.folder, "node_modules")
        if not os.path.exists(modules):
            os.symlink(CLIENTS / "node_modules", modules)
        path = os.path.join(self.folder, "program.mjs")
        with open(path, "w", encoding="utf-8") as f:
            f.write(f"import '{CLIENTS}/node18.mjs';\n" + program.replace("LINES", str(LINES)).replace("WORDS", WORDS.replace("\\", "\\\\")))
        if not wait:
            process = subprocess.Popen(["node", path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            self.addCleanup(process.communicate)
            self.addCleanup(process.kill)
            return process
        r = subprocess.run(["node", path], capture_output=True, text=True, timeout=PROGRAM_SECONDS_MAX)
        self.assertEqual((r.returncode, r.stderr), (0, ""), r.stdout)
        return r.stdout

    def assert_orders(self, texts, how=lambda n: f"order {n} placed {WORDS}"):
        self.assertEqual(collections.Counter(texts), collections.Counter(how(n) for n in range(LINES)))

    # ---- libraries that speak Loki ----

    def test_pino_loki(self):
        s = self.server()
        self.run_node(snippets("pino-loki")[0].replace("http://localhost:7862", s.url) + PINO)
        found = self.lines(s, '{service_name="shop"}', LINES + 3 - 1)  # pino's level is info: debug is not written
        self.assert_orders(json.loads(line)["msg"] for labels, line in found if "order" in json.loads(line))
        self.lines(s, '{service_name="shop", region="eu"} | customer = "c3" | detected_level = "info"', len([n for n in range(1, LINES, 2) if n % 7 == 3]))
        self.lines(s, '{service_name="shop"} | json | order >= 300', LINES - 300)
        self.lines(s, '{service_name="shop"} | detected_level = "warn"', 1)
        error = json.loads(self.lines(s, '{service_name="shop"} | detected_level = "error"', 1)[0][1])
        self.assertEqual(error["err"]["message"], "card refused")
        self.assertIn("\n    at ", error["err"]["stack"])

    def test_winston_loki(self):
        s = self.server()
        self.run_node(snippets("winston-loki")[0].replace("http://localhost:7862", s.url) + WINSTON.replace("WARN", "warn")
                      + "await log.transports[0].flush(); log.transports[0].close();\n")
        found = self.lines(s, '{service_name="shop"}', LINES + 3)
        self.assert_orders(json.loads(line)["message"] for labels, line in found if "order" in json.loads(line))
        self.lines(s, '{service_name="shop", level="info"} | json | order < 100', 100)
        self.lines(s, '{service_name="shop"} | detected_level = "debug"', 1)
        error = json.loads(self.lines(s, '{service_name="shop"} | detected_level = "error"', 1)[0][1])
        self.assertIn("Error: card refused\n    at ", error["stack"])

    # ---- libraries that speak Elasticsearch ----

    def test_pino_elasticsearch(self):
        s = self.server()
        self.run_node(snippets("pino-elasticsearch")[0].replace("http://localhost:7862", s.url) + PINO)
        found = self.lines(s, '{service_name="shop", source="shop"}', LINES + 3 - 1)
        self.assert_orders(line for labels, line in found if "order" in labels)
        self.lines(s, '{service_name="shop"} | region = "eu" | meta_customer = "c3" | detected_level = "info"', len([n for n in range(1, LINES, 2) if n % 7 == 3]))
        self.lines(s, '{service_name="shop"} | order >= 300', LINES - 300)
        labels, line = self.lines(s, '{service_name="shop"} | detected_level = "error"', 1)[0]
        self.assertEqual((line, labels["err_type"]), ("card refused", "Error"))
        self.assertIn("\n    at ", labels["err_stack"])

    def test_elasticsearchs_client(self):
        s = self.server()
        told = self.run_node("""
const error = new Error('card refused');
const documents = [...Array(LINES).keys()].map((n) => ({ '@timestamp': new Date(), message: `order ${n} placed WORDS`, log: { level: 'info' },
  service: { name: 'shop' }, order: { id: n } }));
documents.push({ message: error.message, log: { level: 'error' }, service: { name: 'shop' }, error: { stack_trace: error.stack } });
""" + snippets("Elasticsearch's client")[0].replace("http://localhost:7862", s.url) + "console.log(result.successful, result.failed);\n")
        self.assertEqual(told, f"{LINES + 1} 0\n")
        found = self.lines(s, '{service_name="shop", source="shop"}', LINES + 1)
        self.assert_orders(line for labels, line in found if "order_id" in labels)
        labels, line = self.lines(s, '{service_name="shop"} | detected_level = "error"', 1)[0]
        self.assertIn("Error: card refused\n    at ", labels["error_stack_trace"])

    # ---- splunk-logging ----

    def test_splunk_logging(self):
        s = self.server()
        self.run_node(snippets("splunk-logging")[0].replace("http://localhost:7862", s.url) + """
for (let n = 0; n < LINES; n++) log.send({ message: { text: `order ${n} placed WORDS`, order: n }, metadata });
log.send({ message: { text: 'card refused', stack: new Error('card refused').stack }, severity: 'error', metadata });
await new Promise((done) => log.flush(done));
""" + "process.exit(0);\n")
        found = self.lines(s, '{service_name="shop", host="web-1"}', LINES + 2)
        messages = [json.loads(line)["message"] for _, line in found]
        self.assert_orders(m["text"] for m in messages if "order" in m)
        self.lines(s, '{service_name="shop"} | json | message_order >= 300 | detected_level = "info"', LINES - 300)
        error = json.loads(self.lines(s, '{service_name="shop"} | detected_level = "error"', 1)[0][1])
        self.assertIn("Error: card refused\n    at ", error["message"]["stack"])

    # ---- winston-syslog ----

    def winston_syslog(self, protocol, kind, eol=True):
        s = self.syslog_server(tls=protocol == "tls4")
        program = snippets("winston-syslog")[0].replace("5514", str(self.port)).replace("'tcp4'", f"'{protocol}'").replace("RFC5424", kind)
        if not eol:
            program = program.replace(", eol: '\\n'", "")
        if protocol == "tls4":
            program = program.replace("port:", "rejectUnauthorized: false, port:")
        # Its queue is sent when the connection stands; it tells of nothing.
        self.run_node(program + WINSTON.replace("WARN", "warning") + "setTimeout(() => process.exit(0), 1200);\n")
        found = self.lines(s, '{service_name="shop", host="web-1", source="syslog"} | facility = "local0"', LINES + 3)
        self.assert_orders(json.loads(line)["message"] for labels, line in found if "order" in json.loads(line))
        self.assertTrue(all(labels["pid"].isdigit() for labels, _ in found))
        for level in ("debug", "warn", "error"):
            self.lines(s, f'{{service_name="shop"}} | detected_level = "{level}"', 1)
        self.lines(s, '{service_name="shop"} | json | order = 17 | detected_level = "info"', 1)
        error = json.loads(self.lines(s, '{service_name="shop"} | detected_level = "error"', 1)[0][1])
        self.assertIn("Error: card refused\n    at ", error["stack"])

    def test_winston_syslog(self):
        for protocol in ("udp4", "tcp4", "tls4"):
            for kind in ("RFC5424", "BSD"):
                with self.subTest(protocol=protocol, kind=kind):
                    self.winston_syslog(protocol, kind)

    def test_winston_syslog_without_ends_of_messages(self):
        for kind in ("RFC5424", "BSD"):
            with self.subTest(kind=kind):
                self.winston_syslog("tcp4", kind, eol=False)

    # ---- OpenTelemetry ----

    OTEL = """
import { ROOT_CONTEXT, trace } from '@opentelemetry/api';
const log = logs.getLogger('shop');
const context = trace.setSpanContext(ROOT_CONTEXT, { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', traceFlags: 1 });
for (let n = 0; n < LINES; n++)
  log.emit({ context: n % 4 ? undefined : context, severityNumber: SeverityNumber.INFO, body: `order ${n} placed WORDS`, attributes: { order: n } });
const error = new Error('card refused');
log.emit({ severityNumber: SeverityNumber.ERROR, body: error.message, attributes: { 'exception.type': error.name, 'exception.stacktrace': error.stack } });
await provider.shutdown();
"""

    def test_opentelemetry(self):
        for how in ("proto", "http", "grpc"):
            with self.subTest(how):
                s = self.server()
                program = snippets("OpenTelemetry")[0].replace("-otlp-proto", f"-otlp-{how}")
                program = program.replace("http://localhost:7862" + ("/v1/logs" if how == "grpc" else ""), s.url)
                self.run_node(program + self.OTEL)
                found = self.lines(s, '{service_name="shop"}', LINES + 1)
                self.assert_orders(line for labels, line in found if "order" in labels)
                self.lines(s, '{service_name="shop"} | trace_id="0af7651916cd43dd8448eb211c80319c" | span_id="b7ad6b7169203331"', LINES / 4)
                labels, line = self.lines(s, '{service_name="shop"} | detected_level = "error"', 1)[0]
                self.assertEqual(line, "card refused")
                self.assertIn("Error: card refused\n    at ", labels["exception_stacktrace"])

    # ---- a server that is away for a while ----

    def outage(self, s, write_some):
        """Writes, takes the server away by SIGKILL while the client goes on, and lets it come back at the same address."""
        write_some()
        s.kill()
        write_some()
        time.sleep(1)
        s.start()
        write_some()

    def fixed_server(self, dialect):
        port = free_port()
        return self.server(config=f"listeners:\n  - {{dialect: {dialect}, address: \"127.0.0.1:{port}\"}}\n"), port

    # Emits as many lines as it is told, until its input ends.
    WRITES = """
import readline from 'node:readline';
let n = 0;
for await (const line of readline.createInterface({ input: process.stdin }))
  for (let i = 0; i < Number(line); i++) write(`order ${n++}`, n - 1);
"""

    def written_through_an_outage(self, s, program):
        """What the program prints: its acknowledged lines."""
        process = self.run_node(program, wait=False)

        def write_some():
            for _ in range(20):
                process.stdin.write("10\n")
                process.stdin.flush()
                time.sleep(0.02)
        self.outage(s, write_some)
        told, errors = process.communicate(timeout=PROGRAM_SECONDS_MAX)
        self.assertEqual(process.returncode, 0, errors)
        return told.split("\n")[:-1]

    def assert_kept(self, s, acknowledged, least):
        self.assertGreaterEqual(len(acknowledged), least)
        found = {v[1] for x in s.logs('{service_name="shop"}', limit=5000) for v in x["values"]}
        self.assertEqual(set(acknowledged) - found, set())

    def test_what_opentelemetry_got_acknowledged_outlives_a_kill(self):
        s, port = self.fixed_server("otlp_http")
        program = snippets("OpenTelemetry")[0].replace("localhost:7862", f"127.0.0.1:{port}")
        program = program.replace("{ exporter: new OTLPLogExporter({", "{ scheduledDelayMillis: 20, exporter: told(new OTLPLogExporter({")
        program = program.replace("}) })],", "})) })],")
        self.assert_kept(s, self.written_through_an_outage(s, """function told(exporter) {
  const send = exporter.export.bind(exporter);
  exporter.export = (records, done) => send(records, (r) => { if (r.code === 0) for (const x of records) console.log(x.body); done(r); });
  return exporter;
}
""" + program + """
const log = logs.getLogger('shop');
const write = (body) => log.emit({ severityNumber: SeverityNumber.INFO, body });
""" + self.WRITES + "await provider.shutdown();\n"), 3 * 200)

    def test_what_elasticsearchs_client_got_acknowledged_outlives_a_kill(self):
        s, port = self.fixed_server("elastic")
        self.assert_kept(s, self.written_through_an_outage(s, """
import { Client } from '@elastic/elasticsearch';
import { PassThrough } from 'node:stream';
const client = new Client({ node: 'http://127.0.0.1:PORT', maxRetries: 8 });
const documents = new PassThrough({ objectMode: true, highWaterMark: 100000 });
const result = client.helpers.bulk({
  datasource: documents, flushBytes: 1000, concurrency: 2, retries: 8, wait: 300,
  onDocument: () => ({ create: { _index: 'shop' } }),
  onSuccess: ({ document }) => console.log(document.message),
});
result.catch(() => {}); // an outage longer than its patience ends the helper
const write = (message) => documents.write({ '@timestamp': new Date(), message });
""".replace("PORT", str(port)) + self.WRITES + "documents.end();\nawait result.catch(() => {});\n"), 100)

    def test_winston_loki_loses_nothing_while_the_server_is_away(self):
        s, port = self.fixed_server("loki")
        program = snippets("winston-loki")[0].replace("localhost:7862", f"127.0.0.1:{port}")
        self.written_through_an_outage(s, program + "const write = (message, order) => log.info(message, { order });\n" + self.WRITES + "await log.transports[0].close();\n")
        found = [json.loads(v[1])["order"] for x in s.logs('{service_name="shop"}', limit=5000) for v in x["values"]]
        self.assertEqual(set(found), set(range(600)))

    # ---- Python ----

    def test_python_files_of_json_through_rotation(self):
        peers("python3-pythonjsonlogger")
        sys.path.insert(0, str(PEERS / "python3-pythonjsonlogger/usr/lib/python3/dist-packages"))
        self.addCleanup(sys.path.pop, 0)
        program, config = snippets("Python, a file of JSON")
        program = program.replace("/var/log/shop", self.folder).replace("maxBytes=1000000", "maxBytes=20000").replace("backupCount=9", "backupCount=99")
        s = self.file_server(config)
        writer = self.python(program, """
for n in range(LINES):
    if n % 40 == 0:
        time.sleep(0.05)
    log.info(f"order {n} placed {WORDS}", extra={"order": n})
""")
        self.assertEqual(writer, "")
        self.assertGreater(len([n for n in os.listdir(self.folder) if n.startswith("shop.log.")]), 2)
        found = self.lines(s, '{service_name="shop"}', LINES + 2)
        parsed = [json.loads(line) for _, line in found]
        self.assert_orders(p["message"] for p in parsed if "order" in p)
        self.lines(s, '{service_name="shop"} | json | order >= 300 | detected_level = "info" | logger = "shop.cart"', LINES - 300)
        self.lines(s, '{service_name="shop"} | detected_level = "warn"', 1)
        error = json.loads(self.lines(s, '{service_name="shop"} | detected_level = "error"', 1)[0][1])
        self.assertIn("Traceback (most recent call last):\n", error["exc_info"])

    def test_python_files_of_text_have_whole_traces(self):
        program, config = snippets("Python, a file of JSON")
        program = program.replace("/var/log/shop", self.folder).replace("maxBytes=1000000", "maxBytes=20000").replace("backupCount=9", "backupCount=99")
        program = program.replace("from pythonjsonlogger import jsonlogger\n", "")
        program = re.sub(r"jsonlogger.JsonFormatter\((.*), json_ensure_ascii=False\)", r"logging.Formatter(\1)", program)
        s = self.file_server(config)
        self.assertEqual(self.python(program, 'for n in range(LINES): log.info(f"order {n} placed {WORDS}")\n'), "")
        found = [line for _, line in self.lines(s, '{service_name="shop"}', LINES + 2)]
        self.assert_orders(line.split(" INFO shop.cart ", 1)[1] for line in found if " INFO " in line)
        error = self.lines(s, '{service_name="shop"} | detected_level = "error"', 1)[0][1]
        self.assertRegex(error, r"(?s) ERROR shop\.cart card refused\nTraceback .*\nZeroDivisionError: division by zero$")

    def test_python_files_while_the_server_is_away(self):
        peers("python3-pythonjsonlogger")
        sys.path.insert(0, str(PEERS / "python3-pythonjsonlogger/usr/lib/python3/dist-packages"))
        self.addCleanup(sys.path.pop, 0)
        program, config = snippets("Python, a file of JSON")
        program = program.replace("/var/log/shop", self.folder).replace("maxBytes=1000000", "maxBytes=20000").replace("backupCount=9", "backupCount=99")
        s = self.file_server(config)
        written = []

        def write_some():
            self.python(program, f'for n in range({len(written)}, {len(written)} + LINES): log.info(f"order {{n}}", extra={{"order": n}})\n')
            written.extend(range(len(written), len(written) + LINES))
        self.outage(s, write_some)

        def orders():
            found = [json.loads(v[1]) for x in s.logs('{service_name="shop"}', limit=5000) for v in x["values"]]
            return {p["order"] for p in found if "order" in p}
        self.eventually(lambda: len(orders()) >= len(written), what="all lines")
        self.assertEqual(orders(), set(written))

    def python(self, program, body):
        text = f"""{program}
import sys, time
LINES, WORDS = {LINES}, {WORDS!r}
log = logging.getLogger("shop.cart")
{body}
log.warning("slow")
try:
    1 / 0
except ZeroDivisionError:
    log.exception("card refused")
"""
        r = subprocess.run([sys.executable, "-c", text], env=dict(os.environ, PYTHONPATH=":".join(sys.path)), capture_output=True, text=True,
                           timeout=PROGRAM_SECONDS_MAX)
        self.assertEqual(r.returncode, 0, r.stderr)
        return r.stderr

    def test_python_syslog(self):
        for kind in ("SOCK_STREAM", "SOCK_DGRAM"):
            with self.subTest(kind):
                s = self.syslog_server()
                program = snippets("Python, syslog")[0].replace("5514", str(self.port)).replace("SOCK_STREAM", kind)
                self.assertEqual(self.python(program, 'for n in range(LINES): log.info(f"order {n} placed {WORDS}")\n'), "")
                found = self.lines(s, '{service_name="shop", source="syslog"} | facility = "user"', LINES + 2)
                self.assert_orders(line for _, line in found if line.startswith("order"))
                self.lines(s, '{service_name="shop"} | detected_level = "warn"', 1)
                labels, line = self.lines(s, '{service_name="shop"} | detected_level = "error"', 1)[0]
                self.assertRegex(line, r"(?s)^card refused\nTraceback .*\nZeroDivisionError: division by zero$")
                self.assertTrue(labels["pid"].isdigit())

    # ---- rsyslog and syslog-ng ----

    def relay_lines(self, path, first=0):
        """As a program of the machine: to the relay's socket."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as c:
            c.connect(path)
            for n in range(first, first + LINES):
                c.send(f"<30>{time.strftime('%b %e %H:%M:%S')} shop[77]: order {n} placed {WORDS}".encode())
            c.send(f"<27>{time.strftime('%b %e %H:%M:%S')} shop[77]: card refused\nTraceback:\n  at cart".encode())

    def check_relayed(self, s, stream, wait=20):
        found = self.lines(s, stream, LINES + 1, seconds=wait)
        self.assert_orders(line.strip() for _, line in found if "order" in line)
        labels, line = self.lines(s, f'{stream} | detected_level = "error" | facility = "daemon" | pid = "77"', 1)[0]
        self.assertEqual(line.strip(), "card refused\nTraceback:\n  at cart")
        self.assertEqual(labels["host"], socket.gethostname().split(".")[0])

    @contextlib.contextmanager
    def daemon(self, command, libraries):
        path = os.path.join(self.folder, "in.sock")
        with open(os.path.join(self.folder, "daemon.log"), "w+") as log:
            process = subprocess.Popen(command, env=dict(os.environ, LD_LIBRARY_PATH=libraries), stdout=log, stderr=log)
            try:
                self.eventually(lambda: os.path.exists(path), what="the daemon's socket")
                yield path
            except AssertionError as e:
                log.seek(0)
                raise AssertionError(f"{e}\n{log.read()[-3000:]}") from e
            finally:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)

    def rsyslog(self, text, *more):
        libraries = peers("rsyslog", "libestr0", "libfastjson4", *more)
        modules = os.path.join(self.folder, "modules")
        os.makedirs(modules, exist_ok=True)
        for package in ("rsyslog", *more):
            for where in LIBRARY_FOLDERS:
                folder = PEERS / package / where / "rsyslog"
                for name in os.listdir(folder) if folder.is_dir() else ():
                    with contextlib.suppress(FileExistsError):
                        os.symlink(folder / name, os.path.join(modules, name))
        path = os.path.join(self.folder, "rsyslog.conf")
        with open(path, "w") as f:
            f.write(f'global(workDirectory="{self.folder}")\nmodule(load="imuxsock" SysSock.Use="off")\n'
                    f'input(type="imuxsock" Socket="{self.folder}/in.sock" RateLimit.Interval="0" UseSysTimeStamp="off")\n{text}')
        return self.daemon([str(PEERS / "rsyslog/usr/sbin/rsyslogd"), "-n", "-M", modules, "-f", path, "-i", f"{self.folder}/pid"], libraries)

    def test_rsyslog(self):
        for tls in (False, True):
            with self.subTest(tls=tls):
                s = self.syslog_server(tls)
                text = snippets("rsyslog, syslog by TLS")[0].replace("5514", str(self.port))
                if tls:
                    text = text.replace("/etc/ssl/certs/ca-certificates.crt", self.certificate)
                else:
                    text = re.sub(r"\s+StreamDriver=.*?\)", ")", text).replace(' DefaultNetstreamDriverCAFile="/etc/ssl/certs/ca-certificates.crt"', "")
                with self.rsyslog(text, "rsyslog-openssl") as path:
                    self.relay_lines(path)
                    self.check_relayed(s, '{service_name="shop", source="syslog"}')

    def test_rsyslog_elasticsearch_through_a_kill_of_the_server(self):
        s, port = self.fixed_server("elastic")
        text = snippets("rsyslog, Elasticsearch")[0].replace("9200", str(port))
        with self.rsyslog(text, "rsyslog-elasticsearch") as path:
            self.relay_lines(path)
            self.check_relayed(s, '{service_name="shop", source="rsyslog"}')
            rounds = iter((1, 2, 3))
            self.outage(s, lambda: self.relay_lines(path, LINES * next(rounds)))
            self.all_of(s, '{service_name="shop"} |= "order"', 4 * LINES)

    def all_of(self, s, query, count):
        """What was not acknowledged may come twice."""
        def numbers():
            return {v[1].split()[1] for x in s.logs(query, limit=5000) for v in x["values"]}
        self.eventually(lambda: len(numbers()) >= count, seconds=40, what=f"{count} different lines")
        self.assertEqual(numbers(), {str(n) for n in range(count)})

    def syslog_ng(self, text, *more):
        libraries = peers("syslog-ng-core", "libivykis0", "libnet1", "libwrap0", "libjson-c5", *more) + f":{PEERS}/syslog-ng-core/usr/lib/syslog-ng"
        folders = ":".join(str(PEERS / p / "usr/lib/syslog-ng/3.38") for p in ("syslog-ng-core", *more))
        path = os.path.join(self.folder, "syslog-ng.conf")
        with open(path, "w") as f:
            f.write(f'@version: 3.38\noptions {{ keep-hostname(yes); stats-freq(0); }};\n'
                    f'source s_local {{ unix-dgram("{self.folder}/in.sock"); }};\n{text}')
        return self.daemon([str(PEERS / "syslog-ng-core/usr/sbin/syslog-ng"), "-F", "--no-caps", "-e", "-f", path, "--module-path", folders, "-R",
                            f"{self.folder}/persist", "-p", f"{self.folder}/pid", "-c", f"{self.folder}/ctl"], libraries)

    def test_syslog_ng(self):
        for tls in (False, True):
            with self.subTest(tls=tls):
                s = self.syslog_server(tls)
                text = snippets("syslog-ng, syslog")[0].replace("5514", str(self.port))
                if tls:
                    form = re.search(r"`(transport\(\"tls\"\).*)`", PAGE.read_text(encoding="utf-8"))[1]
                    text = text.replace('transport("tcp")', form.replace("/etc/ssl/certs/ca-certificates.crt", self.certificate))
                with self.syslog_ng(text) as path:
                    self.relay_lines(path)
                    self.check_relayed(s, '{service_name="shop", source="syslog"}')

    def test_syslog_ng_elasticsearch_through_a_kill_of_the_server(self):
        s, port = self.fixed_server("elastic")
        text = snippets("syslog-ng, Elasticsearch")[0].replace("localhost:7862/elastic", f"127.0.0.1:{port}").replace("/var/lib/syslog-ng", self.folder)
        with self.syslog_ng(text, "syslog-ng-mod-http") as path:
            self.relay_lines(path)
            self.check_relayed(s, '{service_name="shop", source="syslog-ng"}')
            rounds = iter((1, 2, 3))
            self.outage(s, lambda: self.relay_lines(path, LINES * next(rounds)))
            self.all_of(s, '{service_name="shop"} |= "order"', 4 * LINES)


if __name__ == "__main__":
    harness.main()
