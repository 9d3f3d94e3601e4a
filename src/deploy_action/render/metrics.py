"""The report of `monitor` in Prometheus's text exposition format for node exporter's textfile collector.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from collections.abc import Iterator

from deploy_action.results.reports import Monitoring, Verdict

__all__ = ["textfile"]


def textfile(monitoring: Monitoring, now_seconds: float) -> str:
    """Write the metrics.

    Args:
        now_seconds: Unix time of the checks, so that an alert can tell a stale file.
    """
    return "\n".join(_lines(monitoring, now_seconds)) + "\n"


def _lines(monitoring: Monitoring, now_seconds: float) -> Iterator[str]:
    base = {"service": monitoring.service, "environment": monitoring.environment}
    yield "# HELP deploy_action_healthy Whether everything that is live passed its checks."
    yield "# TYPE deploy_action_healthy gauge"
    yield f"deploy_action_healthy{_labels(base)} {int(monitoring.result is Verdict.HEALTHY)}"
    yield "# HELP deploy_action_release_info The version that is live."
    yield "# TYPE deploy_action_release_info gauge"
    yield f"deploy_action_release_info{_labels(base | {'version': monitoring.version})} 1"
    if monitoring.checks:
        yield "# HELP deploy_action_check_passed Whether one check passed."
        yield "# TYPE deploy_action_check_passed gauge"
        passed_by_labels: dict[str, bool] = {}
        for check in monitoring.checks:
            labels = _labels(base | {"check": check.name, "where": check.where})
            passed_by_labels[labels] = passed_by_labels.get(labels, True) and check.passed
        for labels, passed in passed_by_labels.items():
            yield f"deploy_action_check_passed{labels} {int(passed)}"
    yield "# HELP deploy_action_last_look_timestamp_seconds When this was measured."
    yield "# TYPE deploy_action_last_look_timestamp_seconds gauge"
    yield f"deploy_action_last_look_timestamp_seconds{_labels(base)} {now_seconds:.0f}"


def _labels(values: dict[str, str]) -> str:
    def escape(text: str) -> str:
        return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")

    return "{" + ",".join(f'{name}="{escape(value)}"' for name, value in values.items()) + "}"
