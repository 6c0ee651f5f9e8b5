"""The deployment examples are well-formed, agree with the server, and hold no secret."""

import re
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import yaml

from typecase.registry.server.settings import PREFIX, ServerSettings

DEPLOY = Path(__file__).resolve().parents[2] / "docs" / "examples" / "deploy"
SERVER = ("Deployment", "Job")


def manifests(kind=None):
    found = list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text()))
    return [item for item in found if kind is None or item["kind"] in kind]


def pods():
    return [item["spec"]["template"]["spec"] for item in manifests(SERVER)]


def containers():
    return [item for pod in pods() for item in (*pod["containers"], *pod["initContainers"])]


@pytest.fixture
def compose():
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())


@pytest.fixture
def server():
    (deployment,) = manifests(("Deployment",))
    (found,) = deployment["spec"]["template"]["spec"]["containers"]
    return found


def containerfile():
    return (DEPLOY / "Containerfile").read_text()


def test_the_containerfile_passes_its_linter():
    linter = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    if linter is None:
        pytest.skip("no hadolint for this platform")
    done = subprocess.run([linter, str(DEPLOY / "Containerfile")], capture_output=True, text=True, check=False)
    assert (done.stdout + done.stderr, done.returncode) == ("", 0)


def test_the_image_serves_as_a_user_of_its_own():
    last = containerfile().rpartition("\nFROM ")[2]
    assert re.findall(r"^USER (.+)$", last, re.MULTILINE) == ["10001:10001"]
    assert 'ENTRYPOINT ["typecase"]\nCMD ["serve"]' in last
    assert "/healthz" in last


def test_no_secret_gets_into_a_layer():
    assert re.findall(r"^(?:COPY|ADD) (?!--from=build)", containerfile(), re.MULTILINE) == []
    assert re.findall(r"PASSWORD|TOKEN|ROOT_KEY", containerfile()) == []


@pytest.mark.parametrize("manifest", manifests(), ids=lambda item: item["kind"])
def test_a_manifest_fits_the_schema_of_kubernetes(manifest):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        kubernetes_validate = pytest.importorskip("kubernetes_validate")
        assert kubernetes_validate.validate(manifest, "1.33", strict=True) is not None


def test_every_container_is_confined():
    for pod in pods():
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["automountServiceAccountToken"] is False
    for container in containers():
        context = container["securityContext"]
        assert (context["allowPrivilegeEscalation"], context["readOnlyRootFilesystem"]) == (False, True)
        assert context["capabilities"] == {"drop": ["ALL"]}


def test_no_image_is_the_latest(compose):
    images = [item["image"] for item in (*containers(), *compose["services"].values())]
    images += re.findall(r"^FROM (\S+)", containerfile(), re.MULTILINE)
    assert [image for image in images if ":" not in image.rpartition("/")[2] or image.endswith(":latest")] == []


def test_probes_ask_what_they_should(server):
    asked = {name: server[name]["httpGet"]["path"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert asked == {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"}


def test_ports_agree(server, compose):
    port = ServerSettings().port
    (service,) = manifests(("Service",))
    (policy,) = manifests(("NetworkPolicy",))
    assert [item["containerPort"] for item in server["ports"]] == [port]
    assert service["spec"]["ports"][0]["targetPort"] == server["ports"][0]["name"]
    assert policy["spec"]["ingress"][0]["ports"][0]["port"] == port
    assert compose["services"]["server"]["ports"] == [f"127.0.0.1:{port}:{port}"]
    assert f"EXPOSE {port}\n" in containerfile()


def test_labels_select_the_servers(server):
    (deployment,) = manifests(("Deployment",))
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    (service,) = manifests(("Service",))
    (budget,) = manifests(("PodDisruptionBudget",))
    assert service["spec"]["selector"] == budget["spec"]["selector"]["matchLabels"] == labels


def test_there_is_time_to_end_before_the_process_is_killed(compose):
    (values,) = [item["data"] for item in manifests(("ConfigMap",))]
    needed = float(values[f"{PREFIX}DRAIN_SECONDS"]) + float(values[f"{PREFIX}SHUTDOWN_SECONDS"])
    (deployment,) = manifests(("Deployment",))
    assert deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] > needed
    seconds = int(compose["services"]["server"]["stop_grace_period"].removesuffix("s"))
    assert seconds > ServerSettings().drain_seconds + ServerSettings().shutdown_seconds


def test_every_setting_of_the_server_is_one(compose):
    (values,) = [item["data"] for item in manifests(("ConfigMap",))]
    named = {*values, *compose["services"]["server"]["environment"], *re.findall(r"TYPECASE_\w+", containerfile())}
    given = {name.removeprefix(PREFIX).lower() for name in named if name.startswith(PREFIX)}
    assert given
    assert given <= ServerSettings.model_fields.keys()


def test_settings_of_the_server_can_be_read(monkeypatch):
    (values,) = [item["data"] for item in manifests(("ConfigMap",))]
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    assert ServerSettings().public_url == "https://typecase.example.com"


def test_tables_are_made_before_the_server_starts(compose):
    services = compose["services"]
    assert services["init"]["command"] == ["init"]
    assert services["server"]["depends_on"] == {"init": {"condition": "service_completed_successfully"}}
    assert services["init"]["depends_on"] == {"database": {"condition": "service_healthy"}}
    (job,) = manifests(("Job",))
    assert job["spec"]["template"]["spec"]["containers"][0]["args"] == ["init"]


def test_secrets_are_files(compose):
    assert {"root_key", "pgpass", "database_password"} == compose["secrets"].keys()
    (values,) = [item["data"] for item in manifests(("ConfigMap",))]
    for url in (values["TYPECASE_URL"], compose["services"]["server"]["environment"]["TYPECASE_URL"]):
        assert re.fullmatch(r"postgresql://typecase@[^@]+", url)
    assert manifests(("Secret",)) == []
    assert [item for item in containers() if "env" in item] == []


def test_mounts_have_volumes():
    for pod in pods():
        volumes = {item["name"] for item in pod["volumes"]}
        mounted = {
            mount["name"] for item in (*pod["containers"], *pod["initContainers"]) for mount in item["volumeMounts"]
        }
        assert mounted == volumes
