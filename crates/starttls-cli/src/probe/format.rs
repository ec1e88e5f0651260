//! Verdicts for people, for build servers and for code scanning.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use serde_json::json;

use crate::probe::{Judged, Probed, Verdict};
use crate::report::Words;

pub(crate) fn text(probed: &Probed, words: &Words) -> String {
    let mut text = format!("{} {} at {}\n", probed.protocol, probed.role, probed.target);
    for it in &probed.attacks {
        let verdict = match it.verdict {
            Verdict::Pass => words.good("pass   "),
            Verdict::Fail => words.bad("FAIL   "),
            Verdict::Note => words.dim("note   "),
            Verdict::Skipped => words.dim("skipped"),
            Verdict::Unclear => words.dim("unclear"),
        };
        text.push_str(&format!("{verdict} {}: {}\n", it.attack, it.because));
        if matches!(it.verdict, Verdict::Fail | Verdict::Note | Verdict::Unclear) {
            for evidence in &it.evidence {
                text.push_str(&format!(
                    "          {}: {}\n",
                    evidence.what, evidence.bytes
                ));
            }
        }
    }
    text
}

pub(crate) fn json(probed: &Probed) -> String {
    // Numbers, texts and lists of them are always JSON.
    serde_json::to_string_pretty(probed).unwrap_or_default() + "\n"
}

fn evidence(it: &Judged) -> String {
    let lines = it.evidence.iter();
    let lines: Vec<_> = lines
        .map(|it| format!("{}: {}", it.what, it.bytes))
        .collect();
    lines.join("\n")
}

pub(crate) fn junit(probed: &Probed) -> String {
    let mut report = Report::new("starttls probe");
    let mut suite = TestSuite::new(format!(
        "{} {} {}",
        probed.role, probed.protocol, probed.target
    ));
    for it in &probed.attacks {
        let mut status = match it.verdict {
            Verdict::Pass | Verdict::Note => TestCaseStatus::success(),
            Verdict::Fail => TestCaseStatus::non_success(NonSuccessKind::Failure),
            Verdict::Unclear => TestCaseStatus::non_success(NonSuccessKind::Error),
            Verdict::Skipped => TestCaseStatus::skipped(),
        };
        status.set_message(it.because.clone());
        if let TestCaseStatus::NonSuccess { .. } = status {
            status.set_description(evidence(it));
        }
        let mut case = TestCase::new(it.attack, status);
        case.set_classname(format!("starttls.{}", probed.protocol));
        case.set_system_out(evidence(it));
        suite.add_test_case(case);
    }
    report.add_test_suite(suite);
    // Writing to a string does not fail.
    report.to_string().unwrap_or_default() + "\n"
}

/// SARIF 2.1.0. <https://docs.oasis-open.org/sarif/sarif/v2.1.0/>
pub(crate) fn sarif(probed: &Probed) -> String {
    let rules: Vec<_> = probed
        .attacks
        .iter()
        .map(|it| json!({"id": it.attack, "shortDescription": {"text": it.about}}))
        .collect();
    let results: Vec<_> = probed
        .attacks
        .iter()
        .enumerate()
        .map(|(index, it)| {
            let (kind, level) = match it.verdict {
                Verdict::Pass => ("pass", "none"),
                Verdict::Fail => ("fail", "error"),
                Verdict::Note => ("informational", "none"),
                Verdict::Skipped => ("notApplicable", "none"),
                Verdict::Unclear => ("open", "none"),
            };
            json!({
                "ruleId": it.attack,
                "ruleIndex": index,
                "kind": kind,
                "level": level,
                "message": {"text": format!("{}\n{}", it.because, evidence(it)).trim_end()},
                "locations": [{
                    "physicalLocation": {
                        "artifactLocation": {"uri": format!("{}://{}", probed.protocol, probed.target)},
                    },
                }],
            })
        })
        .collect();
    let sarif = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "starttls probe",
                "version": env!("CARGO_PKG_VERSION"),
                "informationUri": env!("CARGO_PKG_REPOSITORY"),
                "rules": rules,
            }},
            "results": results,
        }],
    });
    format!("{sarif:#}\n")
}
