# SPDX-License-Identifier: Apache-2.0
"""Boards: Grafana's dashboard JSON in and out, and the built-in ones."""
import json

import harness

BOARD = ('{"annotations": {"list": []},  "id": 12,\n "title": "My \\u00fc board", "uid": "mine","version": 7, "unknown": {"id": 1.0, "version": null},'
         '"tags":["team"], "schemaVersion": 39, "panels": [{"id": 1, "type": "timeseries", "title": "Up", "gridPos": {"x":0,"y":0,"w":12,"h":8},'
         '"targets": [{"refId": "A", "expr": "up"}]}]}')
URL = "/api/stoa/v1/boards"


class Boards(harness.Case):
    def test_a_board_comes_out_as_it_came_in_without_id_and_version(self):
        s = self.server()
        r = s.request("PUT", f"{URL}/mine", body=BOARD.encode())
        self.assertEqual((r.status, r.json), (200, {"uid": "mine", "warnings": []}))
        self.assertEqual(s.get(f"{URL}/mine").text, BOARD.replace('"id": 12,\n ', "").replace('"version": 7, ', ""))
        s.kill()
        s.start()
        self.assertIn({"uid": "mine", "title": "My ü board", "tags": ["team"], "built_in": False}, s.get(URL).json)
        self.assertEqual(s.request("DELETE", f"{URL}/mine").status, 204)
        self.assertEqual((s.get(f"{URL}/mine").status, s.request("DELETE", f"{URL}/mine").status), (404, 404))

    def test_the_built_in_boards_are_there_and_stay(self):
        s = self.server()
        listed = {b["uid"]: b for b in s.get(URL).json}
        self.assertEqual(set(listed), {"business-metrics", "this-machine", "service", "containers", "real-users", "synthetic-checks"})
        for uid in listed:
            with self.subTest(uid):
                board = s.get(f"{URL}/{uid}").json
                self.assertTrue(listed[uid]["built_in"])
                self.assertEqual((board["uid"], board["title"]), (uid, listed[uid]["title"]))
                r = s.request("PUT", f"{URL}/{uid}", body=json.dumps(board).encode())
                self.assertEqual(r.status, 403)
                self.assertIn("built in", r.json["error"])
                # Saved under another name it passes every check, and its queries are queries.
                board["uid"] = "copy-" + uid
                text = json.dumps(board).replace("$__rate_interval", "1m").replace("$__range", "1h")
                for variable in board["templating"]["list"]:
                    text = text.replace("$" + variable["name"], ".+")
                r = s.request("PUT", f"{URL}/copy-{uid}", body=text.encode())
                self.assertEqual((r.status, r.json["warnings"]), (200, []), r.text)

    def test_an_error_names_panel_and_field(self):
        s = self.server()
        r = s.request("PUT", f"{URL}/mine", body=BOARD.replace('"expr": "up"', '"expr": "rate(up"').encode())
        self.assertEqual(r.status, 400)
        self.assertIn('panel 1 "Up": targets[0].expr: ', r.json["error"])
        self.assertEqual(s.request("PUT", f"{URL}/a.b", body=BOARD.encode()).status, 400)
        self.assertEqual(s.get(f"{URL}/mine").status, 404)

    def test_boards_of_tenants_are_apart(self):
        s = self.server()
        self.assertEqual(s.request("PUT", f"{URL}/mine", body=BOARD.encode(), headers={"X-Scope-OrgID": "other"}).status, 200)
        self.assertEqual(s.get(f"{URL}/mine").status, 404)
        self.assertEqual(s.get(f"{URL}/mine", headers={"X-Scope-OrgID": "other"}).status, 200)

    def test_boards_of_a_tenant_have_a_limit_in_all(self):
        s = self.server()
        large = json.dumps({"title": "Large", "panels": [], "text": "x" * 2_000_000}).encode()
        taken = 0
        while (r := s.request("PUT", f"{URL}/large-{taken}", body=large)).status == 200:
            taken += 1
        self.assertEqual((r.status, taken), (422, 16), r.text)
        self.assertIn("33554432 bytes", r.json["error"])
        self.assertEqual(s.request("PUT", f"{URL}/large-0", body=large).status, 200)
        self.assertEqual(len([b for b in s.get(URL).json if not b["built_in"]]), taken)


if __name__ == "__main__":
    harness.main()
