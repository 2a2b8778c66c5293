"""Downloads of published models, from a server of the test."""

import json
import os
import signal
import sys
import time
import types

import pytest
import torch
from model_server import ModelServer
from published_models import FULL, Place, assert_fetched, assert_here, package, place, small  # noqa: F401 (fixtures)

for name in ("torchaudio", "tqdm"):  # imported there, not used by the networks
    sys.modules.setdefault(name, types.ModuleType(name))
from openunmix.model import OpenUnmix  # noqa: E402


@pytest.mark.parametrize("fault", [
    [("cut", 100000)], [("cut", 0), ("cut", 70000), ("cut", 1)], [("status", 503), ("cut", 1000)],
    [("cut", 100000), ("whole", None)], [("cut", 100000), ("shifted", None), ("cut", 1)], [("redirect", "SAME")]], ids=str)
def test_faults_that_pass(place, fault):
    place.server.faults[place.path] = [(name, place.path if value == "SAME" else value) for name, value in fault]
    place.fetch()
    assert_fetched(place)


def test_goes_on_where_it_stopped(place):
    place.server.faults[place.path] = [("cut", 100000)] + 4 * [("cut", 0)]
    said = place.fetch(attempts=1, status=1)
    assert "run this again to continue" in said
    assert (place.fetched / (place.file + ".part")).stat().st_size == 100000
    place.server.faults[place.path] = []
    place.fetch()
    assert place.server.requests[-1][1] == "bytes=100000-" and place.server.requests[-1][2].startswith('"')
    assert_fetched(place)


def test_a_file_that_changed_is_begun_again(place):
    """Between two requests, to the right one and to a wrong one."""
    right = place.content
    place.server.files[place.path] = bytes(200000)
    place.server.faults[place.path] = [("cut", 100000), ("other", right)]
    place.fetch()
    assert_fetched(place)


@pytest.mark.parametrize("wrong", [lambda content: content[:-1] + b"x", lambda content: content[:5000],
                                   lambda content: content + b"more", lambda content: b""], ids=range(4))
def test_a_wrong_file_is_refused(place, wrong):
    place.server.files[place.path] = wrong(place.content)
    said = place.fetch(status=1)
    assert "not what the catalogue says" in said or "sent nothing" in said
    assert not (place.fetched / place.file).exists()
    place.server.files[place.path] = place.content
    place.fetch()
    assert_fetched(place)


def test_sizes_mirrors_and_endless_answers(place):
    other = ModelServer()
    other.files["/x"] = b"something else"
    refused = "http://127.0.0.1:9"
    place.write_catalogue([refused + "/x", other.address + "/none", other.address + "/x", place.server.address + place.path])
    place.fetch()
    assert_fetched(place)
    (place.fetched / place.file).unlink()
    place.write_catalogue([place.server.address + place.path], more=", bytes: 1000")
    assert "the catalogue's 1000" in place.fetch(status=1)
    place.write_catalogue([refused + "/x"])
    said = place.fetch(attempts=2, status=1)
    assert "is there a network?" in said and "https_proxy" in said
    other.close()


def test_silence_is_given_up(place):
    place.server.faults[place.path] = [("stall", 50000)]
    place.fetch(stall=1)
    assert place.server.requests[-1][1] == "bytes=50000-"
    assert_fetched(place)


def test_files_of_python_are_used(place):
    hub = place.folder / ".cache/torch/hub/checkpoints"
    hub.mkdir(parents=True)
    (hub / place.file).write_bytes(place.content[:-1])
    assert "passed over" in place.download()
    assert len(place.server.requests) == 1
    (hub / place.file).write_bytes(place.content)
    place.download("--again")
    assert len(place.server.requests) == 1 and assert_here(place)["files"][0]["from"] == str(hub / place.file)
    place.download("--again", "--no-local-copies")
    assert len(place.server.requests) == 2


def test_one_at_a_time_and_stops(place):
    place.server.slow = 0.2
    first = place.start("stemsmith", "download", "htdemucs")
    while not place.part.exists():
        time.sleep(0.05)
    assert "another process" in place.download(status=2)
    first.send_signal(signal.SIGINT)
    assert first.wait(20) == 130
    place.server.slow = None
    place.download()
    assert place.server.requests[-1][1] is not None
    assert_here(place)


@pytest.mark.parametrize("catalogue, said", [
    ("models: {}", "names no models"), ("models: {a/b: {}}", "is no name"), ("models: {a: {summary: x, licence: y}}", "no sources"),
    ("models: {a: {summary: x, licence: y, sources: [{files: [{name: ../x, addresses: [http://h/x]}]}]}}", "no plain name"),
    ("models: {a: {summary: x, licence: y, sources: [{files: [{name: x, addresses: [file:///etc/x]}]}]}}", "no address"),
    ("models: {a: {summary: x, licence: y, sources: [{files: [{name: x, sha256: XY, addresses: [http://h/x]}]}]}}", "no SHA-256"),
    ("models: {a: {summary: x, licence: y, sources: [{import: z, files: [{name: x, addresses: [http://h/x]}]}]}}", "none of the files"),
    ("models: {a: {sumary: x}}", "summary"), ("models: [", "catalogue.yaml"), ("nothing", "catalogue.yaml")])
def test_catalogues_are_checked(place, catalogue, said):
    (place.folder / "catalogue.yaml").write_text(catalogue)
    assert said in place.download(status=1)
    assert said in place.run("stemsmith", "models", "--catalogue", status=1)
    told = place.run("separate", "any_model", "song.wav", status=1)
    assert said in told and "STEMSMITH_CATALOGUE" in told


def test_what_is_no_model_does_not_stay(place):
    place.server.files[place.path] = b"<html><body>moved</body></html>"
    place.write_catalogue([place.server.address + place.path], checksum="")
    said = place.download(status=1)
    assert place.server.address + place.path in said and "it was removed" in said
    place.server.files[place.path] = place.content
    place.download()
    assert_here(place)


def test_what_is_gone_is_told(place):
    (where,), name = [place.server.address + "/none"], place.file
    place.write_catalogue([where])
    said = place.download(status=1)
    assert where in said and "404" in said and "another try would bring the same" in said and "to continue where" not in said
    assert f"put {name} into" in said and len(place.server.requests) == 1
    assert list((place.folder / ".local/share/stemsmith/downloads").iterdir()) == []


def test_each_try_is_told_and_either_source_suffices(place):
    text = (place.folder / "catalogue.yaml").read_text()
    refused = "http://127.0.0.1:9/x"
    second = f"      - files: [{{name: other.th, addresses: ['{refused}']}}]\n  packed:"
    (place.folder / "catalogue.yaml").write_text(
        text.replace(place.server.address + place.path, refused).replace("  packed:", second, 1))
    said = place.run("stemsmith", "download", "htdemucs", "--pause-seconds", "0.1", status=1)
    assert said.count("127.0.0.1:9:") >= 4 and "try 2 of 3 in 0.1 s" in said and "try 3 of 3 in 0.2 s" in said
    assert f"put {place.file}, or else other.th, into" in said


def test_open_unmix_is_published_without_its_folder(place):
    for stem in ("noise", "speech"):
        torch.manual_seed(7)
        path = place.folder / f"{stem}.pth"
        torch.save(OpenUnmix(nb_bins=65, nb_channels=1, hidden_size=16, max_bin=40).state_dict(), path)
        place.server.files[f"/{stem}_0.pth"] = path.read_bytes()
    files = ", ".join(f"{{name: {stem}.pth, addresses: ['{place.server.address}/{stem}_0.pth']}}" for stem in ("noise", "speech"))
    settings = json.dumps({"nfft": 128, "nhop": 64, "nb_channels": 1, "sample_rate": 16000})
    (place.folder / "catalogue.yaml").write_text(
        f"models: {{htdemucs: {{summary: x, licence: y, sources: [{{texts: {{separator.json: '{settings}'}}, files: [{files}]}}]}}}}")
    said = place.download()
    assert said.count("no checksum is published") == 2
    entry = json.loads((place.model / "entry.json").read_text())
    assert entry["stems"] == ["noise", "speech"] and entry["sample_rate_hz"] == 16000 and not entry["files"][0]["checked"]


def test_the_shipped_catalogue(place):
    """Names, checksums and bags are those of Demucs' own files."""
    import pathlib
    import yaml
    del place.environment["STEMSMITH_CATALOGUE"]
    listed = json.loads(place.run("stemsmith", "models", "--catalogue", "--json"))["catalogue"]
    rows = {row["name"]: row for row in listed}
    remote = pathlib.Path(os.environ["STEMSMITH_DEMUCS4"]) / "demucs/remote"
    root, published = "", {}
    for line in (remote / "files.txt").read_text().splitlines():
        if line.startswith("root:"):
            root = line.split()[1]
        elif line and not line.startswith("#"):
            published[line.partition("-")[0]] = root + line
    for name in ("htdemucs", "htdemucs_ft", "htdemucs_6s", "hdemucs_mmi", "mdx", "mdx_extra"):
        original = yaml.safe_load((remote / f"{name}.yaml").read_text())
        for source in rows[name]["sources"]:
            bag = yaml.safe_load(dict(source["texts"])[source["import"]])
            assert bag == original, name
            assert [file["name"].split(".")[0].split("-")[0] for file in source["files"]] == bag["models"]
        for file, signature in zip(rows[name]["sources"][0]["files"], original["models"]):
            assert file["addresses"] == ["https://dl.fbaipublicfiles.com/demucs/" + published[signature]]
            assert file["sha256"] == published[signature].rpartition("-")[2].removesuffix(".th")
    assert rows["mdx_q"]["instead"] == "mdx" and place.server.requests == []


@pytest.mark.slow
def test_the_full_size_killed_at_ten_moments(tmp_path):
    place = Place(tmp_path, package(tmp_path, FULL))
    place.server.slow = 0.002
    folder = place.folder / ".local/share/stemsmith"

    def arrived():
        return max((file.stat().st_size for file in folder.rglob(f"{place.file}*")), default=0)

    # Eight while it arrives, two while it is made into a model.
    for moment in range(1, 11):
        process = place.start("stemsmith", "download", "htdemucs")
        while arrived() < min(moment / 9, 1) * len(place.content):
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)
        time.sleep(max(0, moment - 8) * 0.2)
        process.kill()
        process.wait()
        assert not place.model.exists()
    place.download()
    resumed = [int(wanted.removeprefix("bytes=").rstrip("-")) for _, wanted, _ in place.server.requests if wanted]
    assert len(resumed) >= 8 and resumed == sorted(resumed) and resumed[7] > len(place.content) * 0.8
    assert_here(place)
    place.run("separate", "htdemucs", "song.wav")
    assert len(list((place.folder / "work/stems/song").iterdir())) == 4
    place.close()
