# SPDX-License-Identifier: Apache-2.0
"""`dicomgate rules check` and `rules try`: what they say of packs, and what they do to real files, read back with
pydicom."""
import hashlib
import json
import subprocess

import pydicom
import pytest

from dgtest import corpus
from dgtest.daemon import CLIENT, DAEMON, ROOT
from dgtest.fixtures import needs_corpus

CONFIGURATION = """
gateway: {{ ae_title: GW, data: data }}
listeners: [ {{ name: a, address: "127.0.0.1:104", plain: yes }} ]
rules: {{ packs: {packs}, golden: {golden} }}
nodes:
  new: {{ id: 1, kind: archive, ae_title: NEW, address: "10.0.0.5:104", plain: yes, packs: [{names}] }}
phases: {{ one: {{ store: [ {{ to: [new] }} ] }} }}
start_phase: one
"""
PACK = """
pack: site
version: 1.0.0
description: what a site would write
rules:
  - { rule: institution, do: [ { set: InstitutionName, to: St Mary } ] }
  - { rule: comments, do: [ { remove: PatientComments } ] }
"""
GOLDEN = """
packs: [site]
cases:
  - case: the institution
    elements: { Modality: CT }
    expect: { outcome: pass, edits: { InstitutionName: St Mary } }
"""


@pytest.fixture
def site(folder):
    (folder / "packs").mkdir()
    (folder / "golden").mkdir()
    (folder / "packs" / "site.yaml").write_text(PACK)
    (folder / "golden" / "site.yaml").write_text(GOLDEN)
    (folder / "g.yaml").write_text(CONFIGURATION.format(packs="packs", golden="golden", names="site"))
    return folder


def run(folder, *words):
    return subprocess.run([CLIENT, "--config", folder / "g.yaml", *words], capture_output=True, text=True, check=False,
                          timeout=60)


def test_shipped_packs_are_fine(folder):
    packs = [path.stem for path in sorted((ROOT / "rules" / "packs").glob("*.yaml"))]
    (folder / "g.yaml").write_text(CONFIGURATION.format(
        packs=ROOT / "rules" / "packs", golden=ROOT / "rules" / "golden", names=", ".join(packs)))
    answer = run(folder, "--json", "rules", "check")
    told = json.loads(answer.stdout)
    assert answer.returncode == 0 and told["ok"] and told["failed"] == 0 and told["cases"] >= 60
    assert [pack["name"] for pack in told["packs"]] == packs


def test_digest_is_what_sha256sum_says(site):
    told = json.loads(run(site, "--json", "rules", "check").stdout)
    assert told["packs"][0]["sha256"] == hashlib.sha256((site / "packs" / "site.yaml").read_bytes()).hexdigest()
    (site / "packs" / "t.csv").write_text("found,name\na,b\n")
    text = PACK.replace("rules:", "tables: { t: { file: t.csv, from: found, to: name } }\nrules:")
    (site / "packs" / "site.yaml").write_text(text)
    told = json.loads(run(site, "--json", "rules", "check").stdout)
    parts = [hashlib.sha256(part).digest() for part in (text.encode(), b"found,name\na,b\n")]
    assert told["packs"][0]["sha256"] == hashlib.sha256(b"".join(parts)).hexdigest()


def test_mistakes_have_a_place(site):
    (site / "packs" / "site.yaml").write_text(PACK.replace("InstitutionName", "StudyInstanceUID"))
    answer = run(site, "rules", "check")
    assert answer.returncode == 3
    assert f"{site}/packs/site.yaml:6:39: rules[1].do[1].set: StudyInstanceUID can not be written" in answer.stderr


MISTAKES = {
    "unknown archive": (PACK.replace("rule: comments,", "rule: comments, when: { archive: nwe },"), "site", True),
    "unknown phase": (PACK.replace("rule: comments,", "rule: comments, when: { phase: two },"), "site", True),
    "no such pack": (PACK, "site, other", True),
    "no order": (PACK + "  - { rule: again, do: [ { set: InstitutionName, to: St Anne } ] }\n", "site", True),
    "a UID": (PACK.replace("InstitutionName", "StudyInstanceUID"), "site", True),
    "no table": (PACK.replace("rules:", "tables: { t: { file: t.csv, from: a, to: b } }\nrules:"), "site", True),
    "no folder": (PACK, "site", False),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_errors_are_those_of_a_start(site, mistake):
    pack, names, has_folder = MISTAKES[mistake]
    text = CONFIGURATION.format(packs="packs", golden="golden", names=names)
    if not has_folder:
        text = "\n".join(line for line in text.splitlines() if not line.startswith("rules:"))
    (site / "g.yaml").write_text(text)
    (site / "packs" / "site.yaml").write_text(pack)
    made = run(site, "key", "init")
    start = subprocess.run([DAEMON, "--config", site / "g.yaml"], capture_output=True, text=True,
                           check=False, timeout=30)
    check = run(site, "rules", "check")
    assert start.returncode != 0 and check.returncode == 3, made.stderr + start.stderr + check.stderr
    told = [line for line in start.stderr.splitlines() if not line.startswith("20")]  # else of the log
    assert told and [line for line in check.stderr.splitlines() if not line.startswith("dicomgate: ")] == told


@pytest.mark.parametrize("name", ["../golden/site.yaml", "/etc/passwd", "t/../t.csv"])
def test_tables_stay_in_their_folder(site, name):
    text = PACK.replace("rules:", f"tables: {{ t: {{ file: {name}, from: a, to: b }} }}\nrules:")
    (site / "packs" / "site.yaml").write_text(text)
    answer = run(site, "rules", "check")
    assert answer.returncode == 3 and "the table can not be read" in answer.stderr


def test_unknown_archive_in_a_rule(site):
    (site / "packs" / "site.yaml").write_text(PACK.replace("rule: comments,", "rule: comments, when: { archive: nwe },"))
    answer = run(site, "rules", "check")
    assert answer.returncode == 3 and "can never match: there is no archive `nwe`" in answer.stderr


def test_golden_case_that_differs(site):
    (site / "golden" / "site.yaml").write_text(GOLDEN.replace("St Mary", "St Anne"))
    answer = run(site, "rules", "check")
    assert answer.returncode == 1
    assert "golden/site.yaml:4: the institution: InstitutionName becomes `St Mary` instead of `St Anne`" in answer.stdout


def test_config_check_says_what_is_wrong_with_packs(site):
    answer = run(site, "config", "check")
    assert "packs" not in answer.stderr
    (site / "packs" / "site.yaml").write_text(PACK.replace("rule: comments,", "rule: comments, when: { archive: nwe },"))
    answer = run(site, "config", "check")
    assert answer.returncode == 3 and "can never match: there is no archive `nwe`" in answer.stderr


def elements_of(data, path=()):
    for element in data:
        if element.VR == "SQ":
            for number, item in enumerate(element.value):
                yield from elements_of(item, path + (element.tag, number))
        else:
            yield path + (element.tag,), (element.VR, element.value)


@needs_corpus
@pytest.mark.parametrize("name", ["pydicom/MR_small_implicit.dcm", "pydicom/MR_small_bigendian.dcm",
                                  "pydicom/chrJapMulti.dcm", "pydicom/JPEG2000.dcm",
                                  "dcmjs/structured_report.dcm", "dicomParser/report_dfl"])
def test_try_changes_what_it_says_and_nothing_else(site, name):
    source = corpus.FOLDER / name
    if not source.exists():
        pytest.skip("not in the corpus")
    answer = run(site, "--json", "rules", "try", source, "--archive", "new", "--write", site / "out.dcm")
    told = json.loads(answer.stdout)
    assert answer.returncode == 0 and told["outcome"] == "pass", answer.stderr
    assert {change["path"] for change in told["changes"] if change["pack"] == "site"} <= {"InstitutionName",
                                                                                         "PatientComments"}
    own = {change["path"].split("[")[0] for change in told["changes"] if change["pack"] == "gateway"}
    assert own == {"OriginalAttributesSequence", "ContributingEquipmentSequence"}
    before = dict(elements_of(pydicom.dcmread(source, force=True)))
    after = dict(elements_of(pydicom.dcmread(site / "out.dcm", force=True)))
    assert after.pop((pydicom.tag.Tag("InstitutionName"),))[1] == "St Mary"
    before.pop((pydicom.tag.Tag("InstitutionName"),), None)
    before.pop((pydicom.tag.Tag("PatientComments"),), None)
    added = {pydicom.tag.Tag("OriginalAttributesSequence"), pydicom.tag.Tag("ContributingEquipmentSequence")}

    def rest(elements):  # group lengths follow
        return {path: value for path, value in elements.items() if path[-1].element != 0 and path[0] not in added}
    assert rest(before) == rest(after)


@needs_corpus
def test_values_are_shown_on_demand_only(site):
    (site / "packs" / "site.yaml").write_text(PACK.replace("remove: PatientComments", "case: PatientName, to: lower"))
    name = str(pydicom.dcmread(FILE).PatientName)
    hidden = run(site, "rules", "try", FILE, "--archive", "new")
    assert "(hidden)" in hidden.stdout and name.lower() not in hidden.stdout.lower()
    shown = run(site, "rules", "try", FILE, "--archive", "new", "--show-phi")
    assert name in shown.stdout and name.lower() in shown.stdout


@needs_corpus
def test_what_is_held_is_not_written(site):
    (site / "packs" / "site.yaml").write_text(PACK.replace("to: St Mary", "to: 聖マリア"))
    answer = run(site, "rules", "try", FILE, "--archive", "new", "--write", site / "out.dcm")
    assert answer.returncode == 5 and "outcome: hold" in answer.stdout
    assert not (site / "out.dcm").exists()


def test_archive_and_file_must_be_there(site):
    assert run(site, "rules", "try", "x.dcm").returncode == 2
    assert run(site, "rules", "try", "x.dcm", "--archive", "nowhere").returncode == 2
    assert run(site, "rules", "try", site / "x.dcm", "--archive", "new").returncode == 2


# ---- with the crosswalk

WITH_DOMAINS = """
gateway: { ae_title: GW, data: data }
listeners: [ { name: a, address: "127.0.0.1:104", plain: yes } ]
domains: { OLD: { issuers: [OLDHOSP] }, NEW: { issuers: [GROUP] } }
nodes:
  new: { id: 1, kind: archive, ae_title: NEW, address: "10.0.0.5:104", plain: yes, domain: NEW%s }
clients: [ { ae_title: CT1, from: [10.0.0.0/8], domain: OLD } ]
phases: { one: { store: [ { to: [new] } ] } }
start_phase: one
"""
FILE = corpus.FOLDER / "pydicom" / "MR_small_implicit.dcm"


def domains_site(folder, options="", rows=True):
    (folder / "g.yaml").write_text(WITH_DOMAINS % options)
    assert run(folder, "key", "init").returncode == 0
    if rows:
        source = pydicom.dcmread(FILE).PatientID
        (folder / "rows.csv").write_text(f"source_domain,source_id,target_domain,target_id\nOLD,{source},NEW,G-17\n")
        done = run(folder, "crosswalk", "import", folder / "rows.csv", "--person", "Ada", "--reason", "test")
        assert done.returncode == 0, done.stderr
    return folder


def tried(folder, *words, expect):
    answer = run(folder, "--json", "rules", "try", FILE, "--archive", "new", *words)
    assert answer.returncode == expect, answer.stdout + answer.stderr
    return json.loads(answer.stdout), answer


@needs_corpus
@pytest.mark.parametrize("whose", [("--client", "CT1"), ("--domain", "OLD")])
def test_try_maps_the_patient(folder, whose):
    folder = domains_site(folder)
    told, answer = tried(folder, *whose, "--write", folder / "out.dcm", expect=0)
    rows = {change["path"]: change for change in told["changes"]}
    assert set(rows) >= {"PatientID", "IssuerOfPatientID"} and told["looked_up"] and told["outcome"] == "pass"
    assert (rows["PatientID"]["pack"], rows["PatientID"]["rule"]) == ("crosswalk", "mapped")
    assert rows["PatientID"]["after"] is None and "G-17" not in answer.stdout
    assert any(path.startswith("OriginalAttributesSequence") for path in rows)
    assert any(path.startswith("ContributingEquipmentSequence") for path in rows)
    before, after = pydicom.dcmread(FILE), pydicom.dcmread(folder / "out.dcm")
    assert (after.PatientID, after.IssuerOfPatientID) == ("G-17", "GROUP")
    assert after.OriginalAttributesSequence[-1].ModifiedAttributesSequence[0].PatientID == before.PatientID
    assert after.PixelData == before.PixelData
    shown, _ = tried(folder, *whose, "--show-phi", expect=0)
    row = next(change for change in shown["changes"] if change["path"] == "PatientID")
    assert (row["before"], row["after"]) == (before.PatientID, "G-17")
    assert told["bytes"] > told["bytes_same"] > told["bytes"] - 64


@needs_corpus
def test_try_unmatched(folder):
    folder = domains_site(folder, rows=False)
    (folder / "rows.csv").write_text("source_domain,source_id,target_domain,target_id\n")
    made = run(folder, "crosswalk", "import", folder / "rows.csv", "--person", "Ada", "--reason", "none")
    assert made.returncode == 0, made.stdout + made.stderr
    told, _ = tried(folder, "--domain", "OLD", expect=1)
    assert told["outcome"] == "flag" and told["looked_up"]
    told, _ = tried(folder, expect=1)  # of a domain that nobody knows: nothing is looked up
    assert not told["looked_up"] and told["outcome"] == "flag"
    assert told["findings"][0]["reason"] == "the domain of the patient ID is not known"


@needs_corpus
@pytest.mark.parametrize("unmatched,outcome", [("hold", "hold"), ("reject", "reject")])
def test_try_held_or_refused(folder, unmatched, outcome):
    folder = domains_site(folder, f", unmatched: {unmatched}")
    told, _ = tried(folder, expect=1)
    assert told["outcome"] == outcome and not told["changes"]
    assert told["findings"] == [{"outcome": outcome, "reason": "the domain of the patient ID is not known"}]
    done = run(folder, "rules", "try", FILE, "--archive", "new", "--write", folder / "out.dcm")
    assert done.returncode == 5 and not (folder / "out.dcm").exists()


@needs_corpus
def test_try_by_the_called_title(folder):
    """The row of `store` counts where the client has no domain, and rules see the title."""
    (folder / "packs").mkdir()
    (folder / "packs" / "p.yaml").write_text(
        "pack: p\nversion: 1.0.0\ndescription: d\nrules:\n"
        "  - { rule: r, when: { called: OLDGW }, do: [ { flag: the old title } ] }\n")
    domains_site(folder)
    text = WITH_DOMAINS % ", packs: [p]"
    for before, after in (("start_phase", "rules: { packs: packs }\ntitles: [GW, OLDGW]\nstart_phase"),
                          ("store: [", "store: [ { match: { called: [OLDGW], calling: [CT2, CT3] }, domain: OLD, to: [new] }, "),
                          ("clients: [", "clients: [ { ae_title: CT2, from: [10.0.0.0/8] }, "
                                         "{ ae_title: CT3, from: [10.0.0.0/8], domain: NEW }, ")):
        text = text.replace(before, after)
    (folder / "g.yaml").write_text(text)
    told, _ = tried(folder, "--client", "CT2", "--called", "OLDGW", expect=1)
    assert told["looked_up"] and "PatientID" in {change["path"] for change in told["changes"]}
    assert [finding["reason"] for finding in told["findings"]] == ["the old title"]
    told, _ = tried(folder, "--client", "CT3", "--called", "OLDGW", expect=1)  # its own domain is the archive's
    assert not told["looked_up"] and not told["changes"]
    for words in ((), ("--client", "CT2", "--called", "GW"), ("--client", "CT2"), ("--called", "OLDGW")):
        told, _ = tried(folder, *words, expect=1)
        assert "the domain of the patient ID is not known" in [finding["reason"] for finding in told["findings"]]
    done = run(folder, "rules", "try", FILE, "--archive", "new", "--called", "NOBODY")
    assert done.returncode == 2 and "does not answer to" in done.stderr


@needs_corpus
def test_try_without_a_crosswalk_says_so(folder):
    folder = domains_site(folder, rows=False)
    told, answer = tried(folder, "--domain", "OLD", expect=1)
    assert told["outcome"] == "hold" and "there is no crosswalk to look the patient up in" in answer.stderr
    assert told["findings"][0]["reason"].startswith("the crosswalk can not be read")


@needs_corpus
def test_try_of_an_unknown_domain(folder):
    assert run(domains_site(folder), "rules", "try", FILE, "--archive", "new", "--domain", "X").returncode == 2
