"""A real Prometheus that scrapes a running daemon, with the alerts and the dashboard of packaging/."""

import json
from pathlib import Path

import pytest
from conftest import ADDRESS, PROMETHEUS
from lab import HOST, run, wait_for

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "packaging" / "prometheus" / "vxtap.rules.yml"
DASHBOARD = ROOT / "packaging" / "grafana" / "vxtap.json"
COLLECT = '{"priority": 1, "policy": "collect", "protocol": "udp"}'
CONFIGURATION = f"""
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: ["{RULES}"]
scrape_configs: [{{job_name: vxtap, static_configs: [{{targets: ["{ADDRESS}"]}}]}}]
"""


class Prometheus:
    """In the host's namespace, where nothing else listens."""

    URL = "http://127.0.0.1:9090/api/v1/"

    def __init__(self, mirror):
        self.mirror = mirror
        file = mirror.path / "prometheus.yml"
        file.write_text(CONFIGURATION)
        mirror.start("host", str(PROMETHEUS / "prometheus"), f"--config.file={file}",
                     f"--storage.tsdb.path={mirror.path}/tsdb",
                     "--web.listen-address=127.0.0.1:9090").wait_for_line("Server is ready")

    def ask(self, path, **parameters):
        words = [word for name, value in parameters.items()
                 for word in ("--data-urlencode", f"{name}={value}")]
        status, body = self.mirror.curl("--get", *words, self.URL + path)
        assert status == 200, body
        return json.loads(body)["data"]

    def query(self, expression):
        """Values by labels without those of the scrape."""
        return {tuple(sorted((name, value) for name, value in sample["metric"].items()
                             if name not in ("__name__", "instance", "job"))): float(sample["value"][1])
                for sample in self.ask("query", query=expression)["result"]}

    def wait_for(self, expression, expected):
        try:
            wait_for(expression, lambda: self.query(expression) == expected)
        except TimeoutError as error:
            raise AssertionError(f"{expression}: {self.query(expression)}, not {expected}") from error


@pytest.fixture
def prometheus(mirror):
    mirror.apply(mirror.document(COLLECT, COLLECT, sources=["src0", "late0"]))
    mirror.udp(HOST, "5353", "7", "200")
    return Prometheus(mirror)


def test_scraped_counters_are_those_of_stats(mirror, prometheus):
    totals = mirror.session()["totals"]
    assert totals["mirrored_packets"] > 0
    for name in ("matched_packets", "matched_bytes", "mirrored_packets", "mirrored_bytes",
                 "truncated_packets", "dropped_packets"):
        prometheus.wait_for(f'sum(vxtap_{name}_total{{session="ids"}})', {(): totals[name]})
    prometheus.wait_for("vxtap_source_active", {(("source", "src0"),): 1, (("source", "late0"),): 0})
    before = prometheus.query("vxtap_source_seen_packets_total")
    mirror.udp(HOST, "5353", "7", "200")
    wait_for("the next scrape shows them", lambda: all(
        value > before[labels] for labels, value
        in prometheus.query("vxtap_source_seen_packets_total").items()
        if labels == (("source", "src0"),)))
    [target] = prometheus.ask("targets")["activeTargets"]
    assert target["health"] == "up" and target["lastError"] == ""


def test_a_daemon_that_goes_and_returns(mirror, prometheus):
    prometheus.wait_for('up{job="vxtap"}', {(): 1})
    mirror.daemon.stop()
    prometheus.wait_for('up{job="vxtap"}', {(): 0})
    mirror.start_daemon()
    prometheus.wait_for('up{job="vxtap"}', {(): 1})


def test_alerts_are_evaluated(prometheus):
    def evaluated():
        [group] = prometheus.ask("rules")["groups"]
        rules = group["rules"]
        return all(rule["health"] == "ok" for rule in rules) and {
            rule["name"]: rule["state"] for rule in rules}

    wait_for("each has been evaluated", evaluated)
    wait_for("late0 is on its way to an alert",
             lambda: evaluated() and evaluated()["VxtapSourceInactive"] == "pending")
    assert evaluated()["VxtapDropsCopies"] == "inactive"


def test_rules_by_promtool():
    promtool = str(PROMETHEUS / "promtool")
    assert "6 rules found" in run(promtool, "check", "rules", str(RULES)).stdout
    run(promtool, "test", "rules", str(Path(__file__).parent / "rules.yml"))


def test_every_panel_shows_something(prometheus):
    """Grafana's variables as it would fill them in; drops alone have nothing to show."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels) > 10
    filled = {"$__rate_interval": "1m", "$instance": ".*", "$session": ".*"}
    for panel in panels:
        for target in panel["targets"]:
            expression = target["expr"]
            for variable, value in filled.items():
                expression = expression.replace(variable, value)
            assert "$" not in expression, expression
            if panel["title"] == "Dropped copies by reason":
                assert prometheus.query(expression) == {}
            else:
                wait_for(f"{panel['title']}: {expression}", lambda: prometheus.query(expression))
