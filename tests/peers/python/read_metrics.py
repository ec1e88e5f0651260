"""Reads metrics with the parsers of Prometheus' client library: read_metrics.py prometheus|openmetrics FILE."""

import sys

from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client import parser as prometheus

parser = {"prometheus": prometheus, "openmetrics": openmetrics}[sys.argv[1]]
with open(sys.argv[2], encoding="utf-8") as file:
    families = list(parser.text_string_to_metric_families(file.read()))
assert len({family.name for family in families}) == len(families)
for family in families:
    for sample in family.samples:
        print(sample.name, float(sample.value), sample.labels)
