#!/bin/sh
# The guest's first program on the host's file system (read-only, with a layer in memory above it): the kernel's own file
# systems, then hil.guest as root, then off. bench.repo, bench.python and bench.job come on the kernel's command line.
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/shm /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /run
mount -t debugfs debugfs /sys/kernel/debug
mount -t configfs configfs /sys/kernel/config 2>/dev/null
for word in $(cat /proc/cmdline); do
  case $word in
    bench.repo=*) repo=${word#*=} ;;
    bench.python=*) python=${word#*=} ;;
    bench.job=*) job=${word#*=} ;;
    bench.work=*) export BENCH_WORK=${word#*=} ;;
  esac
done
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp LANG=C.UTF-8
export PYTHONDONTWRITEBYTECODE=1 PYTHONPATH="$repo"
mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000 work "$BENCH_WORK"
cd "$repo" || exit 1
ip link set lo up
"$python" -m hil.guest "$job"
echo "bench: guest ends with status $?"
sync
busybox poweroff -f
