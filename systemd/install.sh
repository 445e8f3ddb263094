#!/usr/bin/env bash
# Puts the door on this machine, or takes it off. What is there already and right stays as it is: run it again after every change.
#
#   systemd/install.sh [install] [options]
#       --camera SOURCE   what the door looks through; asked for on a terminal, else the only camera under /dev/v4l/by-id
#       --device NAME     this door's name, bound into every reference; the host's name if left out. Once chosen it stays
#       --key WHERE       auto (a TPM where there is one, else a key of this host) | tpm2 | host: what seals the root key
#       --gpio            the door drives a relay by libgpiod
#       --serial DEVICE   the door speaks OSDP over this device, e.g. /dev/ttyUSB0
#       --network CIDR    the door may talk to these addresses (broker, webhook, network camera); may be given several times
#       --metrics PORT    figures and health on this port of 127.0.0.1
#       --screen          also the screen at the door
#       --board NAME      jetson | pi | pc, if it is not this machine's
#       --no-program      leave /opt/edge alone
#   systemd/install.sh uninstall --keep | --destroy
#       --keep            gallery, keys, log and settings stay for a later installation
#       --destroy         they go too: nobody enrolled can be recognised again, not from a backup either
#   both
#       --dry-run         only say what would be done
#       --root DIR        into the tree under DIR instead of /, for an image: makes no key and starts nothing
#       --systemd N       the version of systemd it will run under, if it is not this machine's
set -euo pipefail

HERE=$(cd "$(dirname "$0")/.." && pwd)
ACTION=install ROOT="" DRY="" CAMERA="" DEVICE="" KEY=auto GPIO="" SERIAL="" METRICS="" SCREEN="" BOARD="" PROGRAM=yes FATE="" VERSION=""
NETWORK=()
PREFIX=/opt/edge CONFIG=/etc/edge STATE=/var/lib/edge UNITS=/etc/systemd/system
SEALED=/etc/credstore.encrypted/edge-root-key PLAIN=/etc/credstore/edge-root-key
SERVICES=(edge-door.service edge-engine.service edge-screen.service edge-backup.service edge-purge.service)
TIMERS=(edge-backup.timer edge-purge.timer)
CHANGED=0

fail() {
    echo "install.sh: $*" >&2
    exit 2
}

# Says a step.
step() {
    CHANGED=$((CHANGED + 1))
    if [ -n "$DRY" ]; then echo "would: $*"; else echo "+ $*"; fi
}

# Does a command, or says it.
run() {
    step "$@"
    [ -n "$DRY" ] || "$@"
}

# Whether the tree is this machine's own, so that users are made, keys sealed and units started.
live() { [ -z "$ROOT" ]; }

# put PATH MODE GROUP: root's file with the text of stdin, whole or not at all; left alone where it is so already.
put() {
    local path="$ROOT$1" new
    new=$(mktemp)
    cat > "$new"
    if cmp -s "$new" "$path"; then
        rm -f "$new"
        return
    fi
    if [ -n "$DRY" ]; then rm -f "$new"; else
        mkdir -p "$(dirname "$path")"
        cp "$new" "$path.new"
        rm -f "$new"
        if [ "$(id -u)" = 0 ] && live; then chown "root:$3" "$path.new"; fi
        chmod "$2" "$path.new"
        mv -f "$path.new" "$path"
    fi
    step "write $path"
}

# drop PATH...: removes what is there.
drop() {
    local path
    for path in "$@"; do
        if [ -e "$ROOT$path" ] || [ -L "$ROOT$path" ]; then run rm -rf "$ROOT$path"; fi
    done
}

parse() {
    while [ $# -gt 0 ]; do
        case $1 in
            install | uninstall) ACTION=$1 ;;
            --keep | --destroy) FATE=${1#--} ;;
            --dry-run) DRY=yes ;;
            --gpio) GPIO=yes ;;
            --screen) SCREEN=yes ;;
            --no-program) PROGRAM="" ;;
            --root | --camera | --device | --key | --serial | --network | --metrics | --board | --systemd)
                [ $# -gt 1 ] || fail "$1 needs a value"
                value "$1" "$2"
                shift
                ;;
            -h | --help)
                sed -n '2,/^set /s/^# \{0,1\}//p' "$0"
                exit 0
                ;;
            *) fail "$1: unknown; --help lists what there is" ;;
        esac
        shift
    done
}

value() {
    case $1 in
        --root)
            ROOT=$(realpath -m -- "$2" 2> /dev/null) || fail "--root '$2': expected a folder"
            [ "$ROOT" != / ] || fail "--root /: that is this machine; leave --root out"
            ;;
        --camera) CAMERA=$2 ;;
        --device) DEVICE=$2 ;;
        --key) KEY=$2 ;;
        --serial) SERIAL=$2 ;;
        --metrics) METRICS=$2 ;;
        --network) NETWORK+=("$2") ;;
        --board) BOARD=$2 ;;
        --systemd) VERSION=$2 ;;
    esac
}

check() {
    live && [ "$(id -u)" != 0 ] && [ -z "$DRY" ] && fail "must run as root (or with --dry-run, or --root DIR)"
    if [ -z "$VERSION" ]; then
        command -v systemctl > /dev/null || fail "no systemd here; name its version with --systemd N"
        VERSION=$(systemctl --version | sed -n '1s/systemd \([0-9]*\).*/\1/p')
    fi
    case $VERSION in '' | *[!0-9]*) fail "--systemd $VERSION: expected a number" ;; esac
    [ "$VERSION" -ge 249 ] || fail "systemd $VERSION is too old; 249 (Ubuntu 22.04, JetPack 6) is the oldest that serves"
    [ -n "$BOARD" ] || BOARD=$(board)
    case $BOARD in jetson | pi | pc) ;; *) fail "--board $BOARD: choose jetson, pi or pc" ;; esac
    case $KEY in auto | tpm2 | host) ;; *) fail "--key $KEY: choose auto, tpm2 or host" ;; esac
    # what goes into files of settings and units is one plain word each
    case "$CAMERA$DEVICE$SERIAL${NETWORK[*]-}" in *[\"\\]* | *$'\n'*) fail "quotation marks, backslashes and line ends are not possible here" ;; esac
    case $SERIAL in '' | /dev/*) ;; *) fail "--serial $SERIAL: expected a device under /dev" ;; esac
    case $METRICS in *[!0-9]*) fail "--metrics $METRICS: expected a port" ;; esac
    local one
    for one in "${NETWORK[@]}"; do
        case $one in *[!0-9a-fA-F.:/]*) fail "--network $one: expected an address or a range such as 192.0.2.0/24" ;; esac
    done
}

board() {
    local model
    model=$({ tr -d '\0' < /proc/device-tree/model; } 2> /dev/null || true)
    case $model in
        *NVIDIA* | *Jetson*) echo jetson ;;
        *Raspberry*) echo pi ;;
        *) if [ -e /etc/nv_tegra_release ]; then echo jetson; else echo pc; fi ;;
    esac
}

users() {
    put /etc/sysusers.d/edge.conf 0644 root < "$HERE/systemd/edge.sysusers"
    put /etc/tmpfiles.d/edge.conf 0644 root < "$HERE/systemd/edge.tmpfiles"
    live || return 0
    if ! id edge edge-screen > /dev/null 2>&1; then run systemd-sysusers /etc/sysusers.d/edge.conf; fi
    if [ ! -d "$STATE" ] || [ ! -d "$CONFIG" ]; then run systemd-tmpfiles --create /etc/tmpfiles.d/edge.conf; fi
}

# The program, and a virtual environment for it. TensorRT, GStreamer and picamera2 come from the board's own packages.
program() {
    [ -n "$PROGRAM" ] && [ "$HERE" != "$ROOT$PREFIX" ] || return 0
    local part
    for part in edge build_engine calibration config models docs systemd pyproject.toml README.md LICENSE; do
        if [ -e "$HERE/$part" ] && ! diff -rq -x __pycache__ -x '*.so' -x '*_int8*' "$HERE/$part" "$ROOT$PREFIX/$part" > /dev/null 2>&1; then
            run mkdir -p "$ROOT$PREFIX"
            run rm -rf "$ROOT$PREFIX/$part.new"
            run cp -R "$HERE/$part" "$ROOT$PREFIX/$part.new"
            run rm -rf "$ROOT$PREFIX/$part"
            run mv "$ROOT$PREFIX/$part.new" "$ROOT$PREFIX/$part"
        fi
    done
    live || return 0
    local site=() stamp extras=service
    if [ -n "$SCREEN" ]; then extras+=,screen; fi
    if [ -n "$GPIO$SERIAL" ] || [ ${#NETWORK[@]} -gt 0 ]; then extras+=,door; fi
    if [ "$BOARD" = jetson ]; then extras+=,calibrate; fi # onnx, which the builder of plans needs
    if [ "$BOARD" != pc ] || python3 -c 'import gi' 2> /dev/null; then site=(--system-site-packages); fi
    if [ ! -x "$PREFIX/.venv/bin/python" ]; then run python3 -m venv "${site[@]}" "$PREFIX/.venv"; fi
    stamp=$(echo "$extras" | cat - "$HERE/pyproject.toml" "$HERE/edge/template/_compare.c" | sha256sum)
    if [ "$stamp" != "$(cat "$PREFIX/.venv/installed" 2> /dev/null)" ]; then
        run "$PREFIX/.venv/bin/python" -m pip install --quiet --disable-pip-version-check --editable "${PREFIX}[$extras]"
        if [ "$BOARD" = jetson ]; then
            run "$PREFIX/.venv/bin/python" -m pip install --quiet --disable-pip-version-check pycuda ||
                echo "note: pycuda could not be built (it needs JetPack's CUDA toolkit); networks run on the CPU until it is there"
        fi
        put "$PREFIX/.venv/installed" 0644 root <<< "$stamp"
    fi
    # the door's user may not write beside the networks, so the INT8 forms are made here; new networks came without them
    if [ "$BOARD" = jetson ] && [ ! -e "$PREFIX/models/drh_int8.json" ]; then
        (umask 022 && run "$PREFIX/.venv/bin/edge" engine quantise) || echo "note: no INT8 networks could be made; plans will be FP16"
    fi
}

# What only the people here can know. A file that is there is theirs and is not touched.
settings() {
    put "$CONFIG/00-installed.toml" 0640 edge < <(places)
    if [ -e "$ROOT$CONFIG/10-site.toml" ]; then
        [ -z "$CAMERA$DEVICE" ] || echo "note: $ROOT$CONFIG/10-site.toml is there and stays; change camera and device name in it"
        return
    fi
    if [ -z "$CAMERA" ]; then CAMERA=$(camera); fi
    if [ "$CAMERA" = demo: ]; then echo "note: no camera was named; put it into $ROOT$CONFIG/10-site.toml (camera.source), then restart edge-door"; fi
    put "$CONFIG/10-site.toml" 0640 edge <<- END
		# Yours: install.sh wrote it once and leaves it alone. All settings with their reasons: $PREFIX/config/appliance.toml
		[camera]
		source = "$CAMERA"

		[gallery]
		device = "${DEVICE:-$(uname -n | cut -c1-64)}"
	END
}

# Everything that the defaults keep beside the program lies where only the door's user can go; sockets where others can.
places() {
    echo "# Written by systemd/install.sh and replaced by its next run. Your own settings belong into a file with a higher number."
    awk -v state="$STATE" -v runtime="$(if [ "$BOARD" = jetson ]; then echo auto; else echo onnxruntime; fi)" '
        function table() { if (name != shown) { print "\n[" name "]"; shown = name } }
        /^\[[a-z]+\]/ { name = substr($0, 2, index($0, "]") - 2) }
        name == "network" && /^runtime = / { table(); print "runtime = \"" runtime "\"" }
        /^[a-z_]+ = "\.\.\/var\// {
            split($0, part, "\"")
            place = substr(part[2], 8)
            table()
            print $1 " = \"" (place ~ /\.sock$/ ? "/run/edge" : state) "/" place "\""
        }' "$HERE/config/appliance.toml"
}

camera() {
    local found=() one
    live && for one in /dev/v4l/by-id/*-video-index0; do [ -e "$one" ] && found+=("$one"); done
    if [ -t 0 ] && live && [ -z "$DRY" ]; then
        echo "Cameras here: ${found[*]-none by id}" >&2
        read -r -p "Camera of the door [${found[0]-demo:}]: " one
        echo "${one:-${found[0]-demo:}}"
    elif [ ${#found[@]} = 1 ]; then
        echo "${found[0]}"
    else
        echo "demo:"
    fi
}

units() {
    local unit
    for unit in "${SERVICES[@]}" "${TIMERS[@]}"; do put "$UNITS/$unit" 0644 root < "$HERE/systemd/$unit"; done
    put /usr/local/bin/edge 0755 root < "$HERE/systemd/edge"
    put /usr/local/bin/edge-tpm 0755 root < "$HERE/systemd/edge-tpm"
    for unit in edge-door edge-backup edge-purge; do put "$UNITS/$unit.service.d/10-key.conf" 0644 root < <(credential); done
    put "$UNITS/edge-door.service.d/20-board.conf" 0644 root < <(devices)
    put "$UNITS/edge-engine.service.d/20-board.conf" 0644 root < <(devices)
    if [ -n "$GPIO$SERIAL" ] || [ ${#NETWORK[@]} -gt 0 ]; then put "$UNITS/edge-door.service.d/30-outputs.conf" 0644 root < <(outputs); fi
    if [ -n "$SCREEN" ]; then put "$UNITS/edge-door.service.d/40-screen.conf" 0644 root < <(screen); fi
    if [ -n "$METRICS" ]; then put "$UNITS/edge-door.service.d/50-metrics.conf" 0644 root < <(metrics); fi
    if [ -n "$GPIO" ]; then lines; fi
}

# The chips of the GPIO lines belong to the door's group: at the next boot by the rule, now by a trigger where the rule is new. := because
# Raspberry Pi OS gives them to a group of its own in a later rule (99-com.rules).
lines() {
    local before=$CHANGED
    put /etc/udev/rules.d/70-edge-gpio.rules 0644 root <<< 'SUBSYSTEM=="gpio", KERNEL=="gpiochip*", GROUP:="edge", MODE:="0660"'
    if live && [ "$CHANGED" -gt "$before" ]; then run udevadm trigger --subsystem-match=gpio; fi
}

# systemd 250 and newer open a sealed key; 249 hands over a plain one that only root can read.
credential() {
    echo "# Written by systemd/install.sh: where the root key comes from."
    echo "[Service]"
    if [ "$VERSION" -lt 250 ]; then
        echo "LoadCredential=edge-root-key:$PLAIN"
        return
    fi
    echo "LoadCredentialEncrypted=edge-root-key:$SEALED"
    echo "# or the TPM counts power cuts as failed tries; by root, whom the devices of the unit bind too"
    echo "ExecStartPost=-+/usr/local/bin/edge-tpm"
    echo "DeviceAllow=/dev/tpmrm0 w"
}

# The accelerator and the camera of the board.
devices() {
    echo "# Written by systemd/install.sh for board '$BOARD': run it again when drivers or cameras change."
    echo "[Service]"
    local node
    case $BOARD in
        jetson)
            for node in $(nodes /dev/nvmap /dev/nvhost-ctrl /dev/nvhost-ctrl-gpu '/dev/nvhost-*' '/dev/nvgpu/*/*' '/dev/nvidia*' '/dev/nvsciipc' '/dev/dri/*'); do
                echo "DeviceAllow=$node rw"
            done
            echo "SupplementaryGroups=video render"
            echo "# the camera daemon's socket"
            echo "BindPaths=-/tmp/argus_socket"
            echo "# GPU libraries make code as they run, and read the machine's own facts"
            echo "MemoryDenyWriteExecute=no"
            echo "PrivateUsers=no"
            ;;
        pi)
            echo "DeviceAllow=char-dma_heap rw"
            for node in $(nodes /dev/vchiq /dev/vcsm-cma '/dev/dri/*'); do echo "DeviceAllow=$node rw"; done
            echo "SupplementaryGroups=video render"
            ;;
        pc)
            for node in $(nodes '/dev/nvidia[0-9]*' /dev/nvidiactl '/dev/nvidia-uvm*' /dev/nvidia-modeset); do echo "DeviceAllow=$node rw"; done
            ;;
    esac
}

# The character devices of these names that are here; for an image the names without a star.
nodes() {
    local pattern node
    for pattern in "$@"; do
        if live; then
            for node in $pattern; do if [ -c "$node" ]; then echo "$node"; fi; done
        else
            case $pattern in *[\*\[]*) ;; *) echo "$pattern" ;; esac
        fi
    done | sort -u
}

outputs() {
    echo "# Written by systemd/install.sh: what the door drives and whom it talks to."
    echo "[Service]"
    if [ -n "$GPIO" ]; then echo "DeviceAllow=char-gpiochip rw"; fi
    if [ -n "$SERIAL" ]; then
        echo "DeviceAllow=$SERIAL rw"
        echo "SupplementaryGroups=dialout"
    fi
    local one
    for one in "${NETWORK[@]}"; do echo "IPAddressAllow=$one"; done
}

screen() {
    echo "# Written by systemd/install.sh: the screen at the door, which runs as a user of its own."
    echo "[Service]"
    echo "Environment=EDGE_SCREEN_ENABLED=true EDGE_SCREEN_USER=edge-screen"
    echo "# in a namespace of users every other user is nobody, and the screen's could not be told from the rest"
    echo "PrivateUsers=no"
    echo "# a root key that does not open ends the door before it begins (243), and nobody but systemd can leave the word for the screen"
    echo "ExecStopPost=-/bin/sh -c 'test \"\$\$EXIT_STATUS\" != 243 || { umask 022; echo key > /run/edge/screen.sock.refusal; }'"
}

metrics() {
    echo "# Written by systemd/install.sh: figures and health for this machine only."
    echo "[Service]"
    echo "Environment=EDGE_METRICS_PORT=$METRICS"
    echo "SocketBindAllow=ipv4:tcp:$METRICS"
}

# A root key, sealed so that a copy of the disk does not hold it, or at least not in the open.
key() {
    live || { echo "note: no key is made in an image; run install.sh once on the device itself" && return; }
    if [ -e "$SEALED" ] || [ -e "$PLAIN" ]; then return; fi
    if [ "$VERSION" -lt 250 ]; then
        run install -d -m 0700 /etc/credstore
        run seal_plain
        echo "WARNING: systemd $VERSION cannot seal: whoever copies this disk has the root key, and with it every code" >&2
    else
        run install -d -m 0700 "$(dirname "$SEALED")"
        run seal
    fi
}

seal_plain() {
    if [ -e "$STATE/root.key" ]; then install -m 0600 "$STATE/root.key" "$PLAIN.new"; else (umask 077 && head -c 32 /dev/urandom > "$PLAIN.new"); fi
    sync "$PLAIN.new"
    mv "$PLAIN.new" "$PLAIN"
}

# Seals the key that is in use already, if one is; that file goes once the sealed one is proved to open to the same.
seal() {
    local secret
    secret=$(mktemp -p /dev/shm)
    chmod 600 "$secret"
    if [ -e "$STATE/root.key" ]; then cat "$STATE/root.key" > "$secret"; else head -c 32 /dev/urandom > "$secret"; fi
    systemd-creds encrypt --name=edge-root-key --with-key="$KEY" "$secret" "$SEALED.new"
    sync "$SEALED.new"
    if ! systemd-creds decrypt --name=edge-root-key "$SEALED.new" - | cmp -s - "$secret"; then
        rm -f "$secret" "$SEALED.new"
        fail "the sealed root key does not open again; nothing was changed"
    fi
    mv "$SEALED.new" "$SEALED"
    rm -f "$secret"
    if [ -e "$STATE/root.key" ]; then
        shred -u "$STATE/root.key"
        echo "WARNING: the root key lay in the open until now; blocks of it may be left on the disk" >&2
    fi
    if [ "$KEY" != tpm2 ] && [ ! -e /dev/tpmrm0 ]; then
        echo "WARNING: no TPM: the root key is sealed by a key of this host that lies on the same disk" >&2
    fi
}

start() {
    local wanted=(edge-door.service "${TIMERS[@]}")
    if [ "$BOARD" = jetson ]; then wanted+=(edge-engine.service); fi
    if [ -n "$SCREEN" ]; then wanted+=(edge-screen.service); fi
    local unit
    for unit in "${wanted[@]}"; do
        if [ ! -L "$ROOT$UNITS/multi-user.target.wants/$unit" ] && [ ! -L "$ROOT$UNITS/timers.target.wants/$unit" ]; then
            run systemctl ${ROOT:+--root="$ROOT"} --quiet enable "$unit"
        fi
    done
    if live && [ "$CHANGED" -gt 0 ]; then
        run systemctl daemon-reload
        run systemctl restart --no-block "${wanted[@]}"
    fi
}

remove() {
    [ -n "$FATE" ] || fail "uninstall: say --keep or --destroy: what becomes of the gallery and the keys?"
    local unit
    for unit in edge-screen.service edge-door.service edge-engine.service "${TIMERS[@]}" edge-backup.service edge-purge.service; do
        if [ -e "$ROOT$UNITS/$unit" ]; then
            if live; then run systemctl --quiet disable --now "$unit"; else run systemctl --root="$ROOT" --quiet disable "$unit"; fi
        fi
        drop "$UNITS/$unit" "$UNITS/$unit.d"
    done
    drop /usr/local/bin/edge /usr/local/bin/edge-tpm /etc/tmpfiles.d/edge.conf /etc/udev/rules.d/70-edge-gpio.rules "$PREFIX"
    if [ "$FATE" = destroy ]; then
        for unit in "$ROOT$SEALED" "$ROOT$PLAIN" "$ROOT$STATE/root.key"; do if [ -e "$unit" ]; then run shred -u "$unit"; fi; done
        drop "$STATE" /var/lib/edge-screen /var/lib/systemd/timers/stamp-edge-{backup,purge}.timer "$CONFIG" /etc/sysusers.d/edge.conf
        if live; then for unit in edge edge-screen; do if id "$unit" > /dev/null 2>&1; then run userdel "$unit"; fi; done; fi
    fi
    if live; then run systemctl daemon-reload; fi
}

parse "$@"
check
if [ "$ACTION" = uninstall ]; then
    remove
else
    users
    program
    settings
    units
    key
    start
fi
if [ "$CHANGED" = 0 ]; then echo "nothing to do"; elif [ -n "$DRY" ]; then echo "$CHANGED steps; nothing was done"; else echo "done: $CHANGED steps"; fi
if [ "$ACTION" = install ] && live && [ -z "$DRY" ]; then echo "next: edge doctor, then edge enrol NAME; docs/deployment.md tells the rest"; fi
