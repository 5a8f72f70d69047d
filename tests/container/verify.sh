#!/usr/bin/env bash
# Builds the Dockerfile as it stands, runs the image as a careful operator would, and says one fact per line.
# Ends with 1 at the first that does not hold. Needs root, podman and runc; with --install it gets them from Debian.
#
# Nothing of it touches the machine's own images: they are kept in a folder of the cache, the base for the next time.
set -euo pipefail

HERE=$(cd "$(dirname "$0")" && pwd)
ROOT=$(cd "$HERE/../.." && pwd)
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/expvastic-tests/container
TOOLS=(podman buildah runc catatonit mmdebstrap)
BASE=python:3.13-slim
IMAGE=localhost/expvastic:verify
NAME=expvastic-verify-$$

fact() { printf 'ok    %s\n' "$*"; }
fail() { printf 'FAIL  %s\n' "$*" >&2; exit 1; }
is() { if [[ $2 == "$3" ]]; then fact "$1: $2"; else fail "$1: $2, not $3"; fi }

find_tools() {
  if [[ ${1:-} == --install ]]; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${TOOLS[@]}" > /dev/null
  fi
  local missing=()
  for tool in "${TOOLS[@]}"; do command -v "$tool" > /dev/null || missing+=("$tool"); done
  [[ ${#missing[@]} == 0 ]] || fail "missing: ${missing[*]}; run $0 --install on Debian, or install them"
}

# podman also complains that systemd is not there to time the health check, which is called by hand here.
quietly() { "$@" > /dev/null 2> "$WORK/complaints" || { cat "$WORK/complaints" >&2; fail "$*"; }; }

# podman asks for limits and a bridge network that a container host without privileges does not give.
configure_podman() {
  mkdir -p "$CACHE"
  cat > "$CACHE/containers.conf" << CONF
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
netns = "host"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
CONF
  cat > "$CACHE/storage.conf" << CONF
[storage]
driver = "overlay"
graphroot = "$CACHE/images"
runroot = "$CACHE/run"
CONF
  export CONTAINERS_CONF=$CACHE/containers.conf CONTAINERS_STORAGE_CONF=$CACHE/storage.conf
}

find_base() {
  if podman image exists "$BASE"; then
    fact "base: $BASE is here"
  elif timeout 60 podman pull -q "$BASE" > /dev/null 2>&1; then
    fact "base: $BASE pulled"
  else
    make_base
    fact "base: a stand-in for $BASE made of Debian's packages"
  fi
}

make_base() {
  local work=$CACHE/base
  rm -rf "$work" && mkdir -p "$work"
  sed 's/bookworm/trixie/g' /etc/apt/sources.list.d/debian.sources > "$work/trixie.sources"
  mmdebstrap --quiet --variant=minbase --include=ca-certificates,python3,python3-venv,python3-pip \
    --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='Acquire::Check-Date "false"' \
    trixie "$work/trixie.tar" "$work/trixie.sources"
  podman import -q "$work/trixie.tar" localhost/debian-python > /dev/null
  cp /etc/ssl/certs/ca-certificates.crt "$work/"
  printf '[global]\ncert = /etc/ssl/certs/ca-certificates.crt\n' > "$work/pip.conf"
  podman build -q --pull=never -f "$HERE/Dockerfile.base" -t "localhost/$BASE" "$work" > /dev/null
  rm -rf "$work"
}

build_image() {
  podman build --pull=never --layers=false --format docker -t "$IMAGE" "$ROOT" > "$WORK/build.log" 2>&1 || {
    tail -n 20 "$WORK/build.log" >&2
    fail "the Dockerfile does not build"
  }
  local size base
  size=$(podman image inspect "$IMAGE" --format '{{.Size}}')
  base=$(podman image inspect "$BASE" --format '{{.Size}}')
  fact "built: $(((size - base) / 1000000)) MB over the base"
  is "user" "$(podman image inspect "$IMAGE" --format '{{.Config.User}}')" "10001:10001"
  is "stop signal" "$(podman image inspect "$IMAGE" --format '{{.Config.StopSignal}}')" "SIGTERM"
  is "entry point" "$(podman image inspect "$IMAGE" --format '{{json .Config.Entrypoint}}')" '["expvastic"]'
  is "health check" "$(podman image inspect "$IMAGE" --format '{{json .HealthCheck.Test}}')" '["CMD","expvastic","health"]'
}

start_container() {
  mkdir -p "$WORK/data"
  chown 10001:10001 "$WORK/data"
  quietly podman run -d --name "$NAME" --read-only --read-only-tmpfs=false --cap-drop=ALL --security-opt=no-new-privileges \
    --network=none --memory=128m --health-interval=disable \
    -v "$HERE/expvastic.yml:/etc/expvastic/expvastic.yml:ro" -v "$WORK/data:/var/lib/expvastic" "$IMAGE"
}

await_health() {
  local began=$SECONDS
  until podman healthcheck run "$NAME" > /dev/null 2>&1; do
    ((SECONDS - began < 30)) || { podman logs "$NAME" 2>&1 | tail -n 20 >&2; fail "not healthy within 30 s"; }
    sleep 0.2
  done
  fact "healthy after $((SECONDS - began)) s"
}

# What the process itself sees, by the kernel's own account: no shell in the container is asked.
check_confinement() {
  local status
  status=/proc/$(podman inspect "$NAME" --format '{{.State.Pid}}')/status
  is "user ids" "$(awk '$1 == "Uid:" {print $2, $3, $4, $5}' "$status")" "10001 10001 10001 10001"
  is "capabilities" "$(awk '$1 ~ /^Cap(Inh|Prm|Eff|Bnd|Amb):/ {print $2}' "$status" | sort -u)" "0000000000000000"
  is "no new privileges" "$(awk '$1 == "NoNewPrivs:" {print $2}' "$status")" "1"
  is "seccomp" "$(awk '$1 == "Seccomp:" {print $2}' "$status")" "2"
  if podman exec "$NAME" python -c 'open("/opt/probe", "w")' 2> "$WORK/probe"; then fail "the root is writable"; fi
  is "root file system" "$(grep -o 'Read-only file system' "$WORK/probe")" "Read-only file system"
}

stop_container() {
  local began=$SECONDS
  sleep 2 # a few more samples
  quietly podman stop -t 20 "$NAME"
  fact "stopped after $((SECONDS - began - 2)) s"
  is "exit code" "$(podman inspect "$NAME" --format '{{.State.ExitCode}}')" "0"
}

# The console got the same samples: by id, the file holds each of them once, and nothing else.
check_drained() {
  podman logs "$NAME" > "$WORK/console.ndjson" 2> "$WORK/log"
  local facts
  facts=$(python3 "$HERE/compare.py" "$WORK/console.ndjson" "$WORK/data/samples.ndjson" "$WORK/log") || fail "$facts"
  fact "$facts"
}

find_tools "$@"
configure_podman
WORK=$(mktemp -d)
trap 'podman rm -f "$NAME" > /dev/null 2>&1 || true; rm -rf "$WORK"' EXIT
find_base
build_image
start_container
await_health
check_confinement
stop_container
check_drained
quietly podman rm "$NAME"
quietly podman rmi "$IMAGE"
