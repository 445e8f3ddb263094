#!/usr/bin/env bash
# What tests/machine_trial.sh needs of a virtual machine: a disk with Debian 12, a start, a cut of its power, its display and its keyboard.
# Everything lies in $FOLDER, which machine_trial.sh sets. Sourced, not run.
# shellcheck disable=SC2016 # what stands in single quotes is for another shell
set -euo pipefail

MIRROR=http://deb.debian.org/debian
PACKAGES=systemd,systemd-sysv,dbus,udev,kmod,linux-image-amd64,linux-headers-amd64,initramfs-tools,make,xz-utils,python3,python3-venv
PACKAGES+=,python3-dev,gcc,libc6-dev,curl,ca-certificates,openssh-server,iproute2
PACKAGES+=,libtss2-esys-3.0.2-0,libtss2-rc0,libtss2-mu0,libtss2-tcti-device0                   # the TPM, for systemd-creds
PACKAGES+=,libgl1,libgl1-mesa-dri,libegl1,libgles2,libgbm1,libdrm2,libinput10,libmtdev1,libxkbcommon0,xkb-data,libfontconfig1,fonts-dejavu-core
PACKAGES+=,libglib2.0-0,v4l-utils,gpiod
SOURCE=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
PORT=${TRIAL_PORT:-2222}                         # of 127.0.0.1, for ssh
ADAPTER=${TRIAL_ADAPTER:-virtio-vga}             # the display adapter: virtio-vga, or VGA, which is what `-vga std` is
read -ra BINDS <<< "${TRIAL_NSPAWN:-}"           # more for systemd-nspawn, e.g. the folder of a package mirror
read -ra SETTINGS <<< "${TRIAL_ENVIRONMENT:-}"   # likewise NAME=VALUE for pip while the disk is made
MACHINE="" STATE=tpm                             # process of the machine; folder of the TPM's state

# A command in the tree, with the network.
inside() {
    systemd-nspawn --quiet --directory="$FOLDER/tree" --register=no --keep-unit --pipe --resolv-conf=copy-host --bind-ro="$SOURCE:/src" \
        "${BINDS[@]}" "${SETTINGS[@]/#/--setenv=}" bash -euc "$1"
}

# gpio-sim, which Debian's kernel was built without, from the source of that kernel. The kernel also lacks the simulator of interrupts,
# which becomes a part of the module; one call in it is not open to modules, and another one does the same.
simulator() {
    inside 'mkdir -p /usr/src/sim; cd /usr/src/sim; apt-get update -q; apt-get download -q linux-source-6.1
        dpkg-deb --fsys-tarfile linux-source-*.deb | tar -xO ./usr/src/linux-source-6.1.tar.xz |
            tar -xJ --strip-components=3 linux-source-6.1/drivers/gpio/gpio-sim.c linux-source-6.1/drivers/gpio/gpiolib.h \
                linux-source-6.1/kernel/irq/irq_sim.c
        rm linux-source-*.deb
        mv gpio-sim.c chip.c
        sed -i "s/handle_simple_irq(irq_to_desc(irqnum))/generic_handle_irq(irqnum)/" irq_sim.c
        printf "obj-m := gpio-sim.o\ngpio-sim-y := chip.o irq_sim.o\n" > Makefile
        kernel=$(ls /lib/modules)
        make -s -C "/lib/modules/$kernel/build" M="$PWD" modules
        install -D -m 644 gpio-sim.ko "/lib/modules/$kernel/extra/gpio-sim.ko"
        depmod "$kernel"'
}

# Every wheel that install.sh will ask for, so that the machine needs no network; unpacked already where they belong, because that takes
# many minutes in an emulated machine. And two portraits in the public domain.
wheels() {
    inside 'mkdir -p /srv/wheels /opt/edge; rm -rf /opt/edge/.venv; python3 -m venv /opt/edge/.venv; pip="/opt/edge/.venv/bin/pip -q --disable-pip-version-check"
        /opt/edge/.venv/bin/python -c "
import tomllib
project = tomllib.load(open(\"/src/pyproject.toml\", \"rb\"))[\"project\"]
parts = project[\"optional-dependencies\"]
wanted = project[\"dependencies\"] + parts[\"service\"] + parts[\"screen\"] + parts[\"door\"]
open(\"/srv/wanted\", \"w\").write(\"\n\".join(one for one in wanted if \"python_version\" not in one))"
        $pip wheel -w /srv/wheels "setuptools>=75" wheel -r /srv/wanted
        $pip install --no-index --find-links /srv/wheels -r /srv/wanted
        $pip install --target /srv/demo matplotlib scikit-image
        cd /srv; PYTHONPATH=/src:/srv/demo PYTHONDONTWRITEBYTECODE=1 /opt/edge/.venv/bin/python -c "
import cv2
from edge.camera.demo import portraits
for name, picture in portraits().items(): cv2.imwrite(name.split()[1] + \".png\", picture)"
        chmod a+r ./*.png; rm -rf /srv/demo /srv/wanted'
}

# What makes a tree a machine of this trial: a network card, a way in, the simulated chip from the start, the program's source.
furnish() {
    local tree=$FOLDER/tree part
    [ -e "$FOLDER/key" ] || ssh-keygen -q -t ed25519 -N '' -f "$FOLDER/key"
    install -D -m 600 "$FOLDER/key.pub" "$tree/root/.ssh/authorized_keys"
    echo trial > "$tree/etc/hostname"
    echo '/dev/vda / ext4 defaults,errors=remount-ro 0 1' > "$tree/etc/fstab"
    printf '[Match]\nName=eth0\n[Network]\nAddress=10.0.2.15/24\nGateway=10.0.2.2\n' > "$tree/etc/systemd/network/10-trial.network"
    printf 'vivid\n' > "$tree/etc/modules-load.d/trial.conf"
    echo 'options vivid n_devs=1 node_types=0x1 num_inputs=1 input_types=0' > "$tree/etc/modprobe.d/trial.conf"
    echo 'SUBSYSTEM=="gpio", GROUP="dialout", MODE="0660"' > "$tree/etc/udev/rules.d/99-com.rules" # as Raspberry Pi OS has it, for its group
    printf '[Unit]\nBefore=edge-door.service\n[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/srv/chip.sh\n[Install]\nWantedBy=multi-user.target\n' \
        > "$tree/etc/systemd/system/chip.service"
    install -m 755 /dev/stdin "$tree/srv/chip.sh" <<- 'END'
		#!/bin/sh -e
		modprobe gpio-sim
		mountpoint -q /sys/kernel/config || mount -t configfs none /sys/kernel/config
		cd /sys/kernel/config/gpio-sim
		mkdir -p edge/bank
		echo 8 > edge/bank/num_lines
		echo 1 > edge/live
		ln -sfn "/dev/$(cat edge/bank/chip_name)" /dev/trial-chip
		ln -sfn "/sys/devices/platform/$(cat edge/dev_name)/$(cat edge/bank/chip_name)" /run/lines
	END
    # tpm.py TRIES SECONDS: no failed try is left, so many lock the TPM, and each is forgotten after so many seconds
    cat > "$tree/srv/tpm.py" <<- 'END'
		import os, struct, sys
		def lockout(code, *values):
		    body = struct.pack(f">IIIHBH{len(values)}I", 0x4000000A, 9, 0x40000009, 0, 0, 0, *values)
		    device = os.open("/dev/tpmrm0", os.O_RDWR)
		    os.write(device, struct.pack(">HII", 0x8002, 10 + len(body), code) + body)
		    assert struct.unpack(">HII", os.read(device, 4096)[:10])[2] == 0
		lockout(0x139)
		lockout(0x13A, int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[2]))
	END
    systemctl --root="$tree" --quiet enable systemd-networkd ssh chip.service
    rm -rf "$tree/srv/edge"
    mkdir "$tree/srv/edge"
    for part in edge build_engine calibration config models docs systemd pyproject.toml README.md LICENSE; do cp -R "$SOURCE/$part" "$tree/srv/edge/"; done
    rm -rf "$tree/srv/evaluation"
    cp -R "$SOURCE/evaluation" "$tree/srv/" # its operator enrols for ever
    find "$tree/srv/edge" \( -name __pycache__ -o -name '*.so' -o -name '*_int8*' \) -prune -exec rm -rf {} +
}

# The disk, new. What took minutes stays in $FOLDER/tree.
disk() {
    if [ ! -e "$FOLDER/tree/usr/bin/systemctl" ]; then
        debootstrap --variant=minbase --include="$PACKAGES" bookworm "$FOLDER/tree" "$MIRROR"
    fi
    [ -n "$(find "$FOLDER/tree/lib/modules" -name gpio-sim.ko)" ] || simulator
    [ -e "$FOLDER/tree/srv/Hopper.png" ] || wheels
    furnish
    rm -rf "$FOLDER"/disk* "$FOLDER"/tpm*
    LAYERS=0
    mke2fs -q -t ext4 -d "$FOLDER/tree" "$FOLDER/disk" 8G
    layer
}

# What is written from now on goes into a file of its own. Where it lies there is kept in memory by the emulator until the machine flushes
# its disk: what was not flushed is lost with the emulator, as in a disk that has a cache.
LAYERS=0
layer() {
    local below="$FOLDER/disk" format=raw
    if [ "$LAYERS" -gt 0 ]; then below="$FOLDER/disk.$LAYERS" format=qcow2; fi
    LAYERS=$((LAYERS + 1))
    qemu-img create -q -f qcow2 -b "$below" -F "$format" "$FOLDER/disk.$LAYERS"
}

# The emulator. TRIAL_ACCEL=tcg where there is no /dev/kvm, or none that starts a kernel; that takes ten times as long.
start() {
    mkdir -p "$FOLDER/$STATE"
    rm -f "$FOLDER/tpm.socket" "$FOLDER/monitor"
    swtpm socket --tpm2 --tpmstate "dir=$FOLDER/$STATE" --ctrl "type=unixio,path=$FOLDER/tpm.socket" --terminate --daemon
    qemu-system-x86_64 -machine q35 -accel "${TRIAL_ACCEL:-kvm}" -cpu max,arch-capabilities=off -smp "${TRIAL_CPUS:-1}" -m 3072 \
        -kernel "$(echo "$FOLDER"/tree/boot/vmlinuz-*)" -initrd "$(echo "$FOLDER"/tree/boot/initrd.img-*)" \
        -append "root=/dev/vda rw console=tty0 console=ttyS0 net.ifnames=0 ${TRIAL_KERNEL:-}" \
        -drive "file=$FOLDER/disk.$LAYERS,if=virtio,cache=writeback" -device virtio-rng-pci \
        -netdev "user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:$PORT-:22" -device virtio-net-pci,netdev=net \
        -chardev "socket,id=tpm,path=$FOLDER/tpm.socket" -tpmdev emulator,id=tpm,chardev=tpm -device tpm-tis,tpmdev=tpm \
        -vga none -device "$ADAPTER" -device qemu-xhci -device usb-tablet -device usb-kbd -display none \
        -device i6300esb -action watchdog=reset \
        -qmp "unix:$FOLDER/monitor,server=on,wait=off" -serial "file:$FOLDER/console" &
    MACHINE=$!
}

on() {
    ssh -q -F none -i "$FOLDER/key" -p "$PORT" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o ConnectTimeout=5 \
        -o ServerAliveInterval=5 -o ServerAliveCountMax=6 root@127.0.0.1 "cd /srv; $1"
}

# Started, and as far as systemd gets. Says the state: running, or degraded.
boot() {
    local _
    start
    for _ in $(seq 120); do
        kill -0 "$MACHINE" 2> /dev/null || return 1
        if on true 2> /dev/null; then break; fi
        sleep 1
    done
    on 'timeout 120 systemctl is-system-running --wait' || true
}

# The plug is pulled.
cut_power() {
    kill -9 "$MACHINE"
    wait "$MACHINE" 2> /dev/null || true
    MACHINE=""
}

shut_down() {
    on 'systemctl poweroff' || true
    wait "$MACHINE" || true
    MACHINE=""
}

# One word to the emulator, and its answer.
monitor() {
    printf '{"execute":"qmp_capabilities"}\n%s\n' "$1" | socat -t 3 - "UNIX-CONNECT:$FOLDER/monitor" | tail -n 1
}

# What the display shows, as FILE.
picture() {
    monitor "{\"execute\":\"screendump\",\"arguments\":{\"filename\":\"$1\",\"format\":\"png\"}}" > /dev/null
}

# key NAME: a key of the keyboard, by the emulator's name of it.
key() {
    monitor "{\"execute\":\"send-key\",\"arguments\":{\"keys\":[{\"type\":\"qcode\",\"data\":\"$1\"}]}}" > /dev/null
}
