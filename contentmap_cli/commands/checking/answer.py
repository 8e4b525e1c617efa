"""The answer of `check`: which findings are new, shown and fail, the report, and the exit code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from contentmap_cli.check.occurrences import OccurrenceStore, occurrences_by_url
from contentmap_cli.commands.checking.baseline import Baseline, new_findings, write_baseline
from contentmap_cli.commands.checking.targets import CheckedTarget
from contentmap_cli.commands.interface.answer_output import answer_to, width_of
from contentmap_cli.commands.interface.global_options import GlobalOptions
from contentmap_cli.errors import Exit
from contentmap_cli.models import Severity
from contentmap_cli.models.findings import CheckReport, CheckSummary, Finding, Rule
from contentmap_cli.models.pages.counts import PageCounts
from contentmap_cli.models.statuses import Grouping
from contentmap_cli.output.findings.report import write_report
from contentmap_cli.output.formats import Format
from contentmap_cli.output.number_format import plural


@dataclass(frozen=True, slots=True)
class CheckAnswer:
    """How a check is answered. Findings below `severity` are not shown, those of `fail_on` and above fail."""

    cli: GlobalOptions
    format: Format
    output: str | None
    severity: Severity
    fail_on: Severity
    by: Grouping
    known: Baseline
    new_baseline: str | None = None

    def write(
        self,
        results: Sequence[CheckedTarget],
        store: OccurrenceStore,
        rules: Sequence[Rule],
        pages: PageCounts | None,
    ) -> int:
        """Write the report, and the baseline if one is wanted. Return the exit code."""
        cli = self.cli
        found = [finding for result in results for finding in result.findings]
        new, known = self._without_known(found, store)
        failing = {finding.target for finding in new if finding.rule.severity.weight >= self.fail_on.weight}
        shown = [finding for finding in new if finding.rule.severity.weight >= self.severity.weight]
        if hidden := len(new) - len(shown):
            cli.note(f"note: {plural(hidden, 'finding')} below --severity {self.severity} not shown")
        for result in results:
            for limit in result.incomplete:
                cli.note(f"note: {result.target}: {limit}")
        names = tuple(result.target for result in results)
        summary = CheckSummary(
            targets=names,
            files=sum(result.files for result in results),
            entries=sum(result.entries for result in results),
            counts=dict(Counter(finding.rule.severity for finding in shown)),
            known=known,
            pages=pages,
            coverage=tuple(result.coverage for result in results if result.coverage is not None),
            passed=tuple(name for name in names if name not in failing),
        )
        report = CheckReport(
            shown, summary, rules, lambda: occurrences_by_url(store, shown), self.by, self.fail_on
        )
        with answer_to(self.output) as out:
            write_report(self.format, out, report, width=width_of(out), color=cli.colored(out))
        return Exit.NOT_CLEAN if failing else Exit.CLEAN

    def _without_known(self, found: list[Finding], store: OccurrenceStore) -> tuple[list[Finding], int]:
        if self.new_baseline is None:
            return new_findings(found, self.known, store)
        write_baseline(self.new_baseline, found)
        self.cli.note(f"{plural(len(found), 'finding')} written to {self.new_baseline}")
        return [], len(found)
